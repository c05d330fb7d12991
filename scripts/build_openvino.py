"""Build an OpenVINO artifact in the toolchain that has OpenVINO; int8 is first quantised here, by ONNX Runtime."""

from edgeproof.artifacts.builds.converter_scripts import run_converter_script
from edgeproof.core.program_start import run_program


def main(argv):
    run_converter_script("scripts/build_openvino.py", __doc__, argv, quantise)


def quantise(*arguments):
    """Quantise a model for the converter: `convert_onnx_ahead`, imported when it is needed."""
    from edgeproof.artifacts.builds.onnx_precisions import (
        convert_onnx_ahead,  # onnx takes longer to import than OpenVINO to convert
    )

    return convert_onnx_ahead(*arguments)


if __name__ == "__main__":
    run_program(main)
