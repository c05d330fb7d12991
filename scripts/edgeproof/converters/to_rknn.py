"""ONNX to RKNN with rknn-toolkit2, in a Python where the user has installed it; Python 3.8 or newer.

The table of operators that a verbose build prints is the only account the toolkit gives of what runs where in which
type, so it is read from the log by whoever started this.
"""

import contextlib
import zipfile

import numpy
from rknn.api import RKNN

from .protocol import ConversionError, call_tool, main

_ALGORITHMS = {"minmax": "normal", "entropy": "kl_divergence"}


def convert(spec, out):
    """Write `model.rknn` from the ONNX file `spec["model"]`.

    `spec`: precision (fp16, int8), target_platform, optimization_level; for int8 also method and calibration (npz, and
    how many samples of it); for a model with an open batch `inputs` and `input_size_list`, all of them.
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
        dataset = write_dataset(spec["calibration"], out) if quantised else None
        require(toolkit, "build", do_quantization=quantised, dataset=dataset)
        require(toolkit, "export_rknn", str(out / "model.rknn"))
    finally:
        with contextlib.suppress(Exception):
            toolkit.release()
    if not (out / "model.rknn").is_file():
        raise ConversionError("conversion_failed", "rknn-toolkit2: says that it has exported, but there is no file")
    return {"artifact": "model.rknn"}


def require(toolkit, step, *arguments, **options):
    """Call a step of the toolkit; ConversionError unless it returns 0 (its own words are in the log)."""
    code = call_tool("rknn-toolkit2 " + step, lambda: getattr(toolkit, step)(*arguments, **options))
    if code not in (0, None):
        raise ConversionError("conversion_failed", f"rknn-toolkit2 {step} returned {code}")


def write_dataset(calibration, out):
    """Write the first samples of a calibration set as .npy files and return the list of them that the toolkit reads.

    One line per sample; the files of several inputs stand side by side, in the order of the set, which is the model's.
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
    main(convert)
