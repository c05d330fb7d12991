"""From the fp32 source to the ONNX artifact of another precision. The source file is read, never written.

Each precision's tools are imported when it is asked for: the quantiser takes as long to import as a small model takes
to become float16.
"""

import contextlib
import io
import os
import shutil
import warnings
from pathlib import Path

import onnx

from edgeproof.artifacts.records.formats import HOST_TOOLS
from edgeproof.artifacts.records.manifests import describe_toolchain
from edgeproof.sources.onnx_files import load_known_model

from .build_failures import tool_failures

CALIBRATION_METHODS = ("minmax", "entropy", "percentile")


def convert_onnx(source, model, target, precision, options, calibration, scratch):
    """Write the ONNX file `source` (loaded as `model`, which this changes) as `precision` to `target`.

    `options`: the preset's build options. `calibration`: `(path, inputs)` for int8, see CalibrationStream. `scratch`:
    an empty folder for intermediate files. Returns the artifact as ModelProto and what the tools warned of, a list of
    lines. BuildError when the model cannot be converted. Equal inputs give equal bytes with equal versions of the
    tools, on the same kind of processor (calibration runs the model).
    """
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        if precision == "fp32":
            shutil.copyfile(source, target)
            converted = model
        elif precision == "fp16":
            from .half_precision import convert_fp16

            converted = convert_fp16(model, target)
        elif precision == "int8":
            from .quantisation import quantise_static

            converted = quantise_static(source, model, target, options, calibration, scratch)
        else:
            from .quantisation import quantise_dynamic

            converted = quantise_dynamic(source, model, target, options, scratch)
    if precision != "fp32":
        with tool_failures("onnx.checker", model):
            onnx.checker.check_model(os.fspath(target))
    return converted, sorted({str(item.message) for item in caught if issubclass(item.category, UserWarning)})


def quantise_ahead(source, options, feed, scratch):
    """Return the path of `source` in int8 (QDQ), for a converter that takes that over, and the versions of the tools.

    Arguments as in `convert_onnx`; `feed`: (calibration set, inputs).
    """
    quantised, workspace = Path(scratch) / "quantised.onnx", Path(scratch) / "quantisation"
    workspace.mkdir()
    convert_onnx(source, load_known_model(source), quantised, "int8", options, feed, workspace)
    return quantised, {f"host-{name}": version for name, version in describe_toolchain(HOST_TOOLS["int8"]).items()}
