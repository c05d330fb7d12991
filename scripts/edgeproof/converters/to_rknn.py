"""ONNX to RKNN with rknn-toolkit2, in a Python where you have installed it; Python 3.8 or newer.

Only the table of operators that a verbose build prints says what runs where in which type, so the caller reads it from
the log.
"""

import contextlib
import zipfile
from pathlib import Path
from typing import Any

import numpy
from rknn.api import RKNN

from .protocol import ConversionError, answer_by_protocol, call_tool

_ALGORITHMS = {"minmax": "normal", "entropy": "kl_divergence"}


def convert(spec: "dict[str, Any]", out: Path) -> "dict[str, Any]":
    """Convert to RKNN: write `model.rknn` from the ONNX file `spec["model"]`.

    `spec`: precision (fp16, int8), target_platform, optimization_level; for int8 also method and calibration (npz, and
    how many of its samples to use); for a model with an open batch `inputs` and `input_size_list` of all inputs.
    """
    quantised = spec["precision"] == "int8"
    toolkit = RKNN(verbose=True)
    options = {"target_platform": spec["target_platform"], "optimization_level": spec["optimization_level"]}
    if quantised:
        options["quantized_algorithm"] = _ALGORITHMS[spec["method"]]
    try:
        require(toolkit, "config", **options)
        shapes = {key: spec[key] for key in ("inputs", "input_size_list") if key in spec}
        require(toolkit, "load_onnx", model=spec["model"], **shapes)
        dataset = _write_dataset(spec["calibration"], out) if quantised else None
        require(toolkit, "build", do_quantization=quantised, dataset=dataset)
        require(toolkit, "export_rknn", str(out / "model.rknn"))
    finally:
        with contextlib.suppress(Exception):
            toolkit.release()
    if not (out / "model.rknn").is_file():
        raise ConversionError("conversion_failed", "rknn-toolkit2: reports an export, but there is no file")
    return {"artifact": "model.rknn"}


def require(toolkit: Any, step: str, *arguments: Any, **options: Any) -> None:
    """Call a step of the conversion to RKNN; ConversionError unless it returns 0. Its messages are in the log."""
    code = call_tool("rknn-toolkit2 " + step, lambda: getattr(toolkit, step)(*arguments, **options))
    if code not in (0, None):
        raise ConversionError("conversion_failed", f"rknn-toolkit2 {step} returned {code}")


def _write_dataset(calibration: "dict[str, Any]", out: Path) -> str:
    """Write the first samples of a calibration set as .npy files; return the path of the list that the toolkit reads.

    The list has a line per sample with the files of all inputs, in the order of the set, which is the model's.
    """
    folder = out / "samples"
    folder.mkdir()
    lines = [[] for _ in range(calibration["samples"])]
    with zipfile.ZipFile(calibration["path"]) as archive:
        for number, member in enumerate(archive.namelist()):
            with archive.open(member) as stream:
                array = numpy.lib.format.read_array(stream)
            for index, line in enumerate(lines):
                path = folder / f"{index:05d}-{number}.npy"
                numpy.save(str(path), array[index : index + 1])
                line.append(str(path))
    listing = out / "dataset.txt"
    listing.write_text("\n".join(map(" ".join, lines)) + "\n")
    return str(listing)


if __name__ == "__main__":
    answer_by_protocol(convert)
