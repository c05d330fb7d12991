"""From the fp32 source to the ONNX artifact of another precision. The source file is read, never written.

The tools of a precision are imported only when it is built: the quantiser takes as long to import as a small model
takes to convert to float16.
"""

import contextlib
import io
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import onnx

from edgeproof.artifacts.records.formats import FORMATS
from edgeproof.artifacts.records.package_versions import list_package_versions
from edgeproof.sources.onnx_files import load_known_model

from .build_failures import tool_failures
from .onnx_element_types import count_onnx_weights
from .onnx_versions import is_within, lower_versions
from .preflight import require_operators
from .range_calibration import Feed


def convert_onnx(
    source: str | Path,
    model: onnx.ModelProto,
    target: str | Path,
    precision: str,
    options: dict[str, Any],
    calibration: Feed | None,
    scratch: Path,
) -> tuple[onnx.ModelProto, list[str]]:
    """Write the ONNX file `source` in another precision to `target`; return the artifact and the tools' warnings.

    No version is above the `max_opset` and `max_ir_version` of the preset's build `options`. `model`: `source` as
    loaded; it is changed. `calibration`: for int8. `scratch`: an empty folder for intermediate files. BuildError if the
    model cannot be converted. Equal inputs give equal bytes with equal versions of the tools, on the same kind of
    processor (calibration runs the model).
    """
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        copied = precision == "fp32" or (precision == "fp16" and _is_half(model))
        if copied:
            shutil.copyfile(source, target)
            converted = model
        elif precision == "fp16":
            from .half_precision import convert_fp16

            converted = convert_fp16(model, target)
        elif precision == "int8":
            from .quantisation import quantise_static

            assert calibration is not None, "int8 is calibrated"
            converted = quantise_static(source, model, target, options, calibration, scratch)
        else:
            from .quantisation import quantise_dynamic

            converted = quantise_dynamic(source, model, target, options, scratch)
    ceiling = options.get("max_opset"), options.get("max_ir_version")
    if lowered := not is_within(converted, *ceiling):
        converted = lower_versions(converted, *ceiling)
        onnx.save(converted, target)
    if lowered or not copied:
        with tool_failures("onnx.checker", model):
            onnx.checker.check_model(os.fspath(target))
    if lowered:
        require_operators(target, converted, "onnxruntime")
    return converted, sorted({str(item.message) for item in caught if issubclass(item.category, UserWarning)})


def _is_half(model: onnx.ModelProto) -> bool:
    """Tell whether the weights of a model are float16 already, and none is float32."""
    counted = count_onnx_weights(model)
    return "float16" in counted and "float32" not in counted


def convert_onnx_ahead(
    source: str | Path, options: dict[str, Any], feed: Feed, scratch: Path
) -> tuple[Path, dict[str, str]]:
    """Write the ONNX file `source` in the precision int8 (QDQ), from which a converter starts.

    Return the path and the versions of the tools. Arguments as in `convert_onnx`; `feed` is its `calibration`.
    """
    quantised, workspace = Path(scratch) / "quantised.onnx", Path(scratch) / "quantisation"
    workspace.mkdir()
    convert_onnx(source, load_known_model(source), quantised, "int8", options, feed, workspace)
    tools = list_package_versions(FORMATS["onnx"].host_tools["int8"])
    return quantised, {f"host-{name}": version for name, version in tools.items()}
