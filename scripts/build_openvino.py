"""Build an OpenVINO artifact in the toolchain that has OpenVINO, int8 from what ONNX Runtime quantises here."""

from edgeproof.artifacts.builds.converter_scripts import build
from edgeproof.core.cli import run_program


def main(argv):
    build("scripts/build_openvino.py", __doc__, argv, quantise)


def quantise(*arguments):
    from edgeproof.artifacts.builds.onnx_precisions import (
        quantise_ahead,  # onnx takes longer to import than OpenVINO to convert
    )

    return quantise_ahead(*arguments)


if __name__ == "__main__":
    run_program(main)
