"""Quantisation ahead of a converter that takes over what ONNX Runtime has quantised."""

from pathlib import Path

from .conversion import TOOLS, convert_onnx
from .manifests import describe_toolchain


def quantise_onnx(source, model, options, feed, scratch):
    """Return the path of the ONNX file `source` (loaded as `model`) in int8 (QDQ), and the versions of the tools.

    `options`, `feed`: build options and (calibration set, inputs), as in `conversion.convert_onnx`.
    """
    quantised, workspace = Path(scratch) / "quantised.onnx", Path(scratch) / "quantisation"
    workspace.mkdir()
    convert_onnx(source, model, quantised, "int8", options, feed, workspace)
    return quantised, {f"host-{name}": version for name, version in describe_toolchain(TOOLS["int8"]).items()}
