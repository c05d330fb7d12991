"""Sources that are exported to ONNX before anything else: which toolchain does it, which files decide the result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

EXPORTING_TOOLCHAINS = {"torch": "torch", "tensorflow": "tensorflow"}  # by the kind of the source
EXPORTERS = {"torch": "onnx", "tensorflow": "onnx_from_tensorflow"}  # the converters that do it
SAVED_MODEL = "saved_model.pb"  # what a SavedModel's folder holds


def list_exported_files(source: Mapping[str, Any]) -> list[str]:
    """Return the files of the user's that a source of kind torch or tensorflow is exported from.

    A SavedModel is a folder: all files in it, and `saved_model.pb` also if it is not there.
    """
    if source["kind"] == "tensorflow":
        folder = Path(source["path"])
        if folder.suffix == ".tflite":
            return [str(folder)]
        return sorted({str(path) for path in folder.rglob("*") if path.is_file()} | {str(folder / SAVED_MODEL)})
    module, python, _ = source["module"].partition(".py:")
    return [
        module + python.rstrip(":"),
        *([source["weights"]] if "weights" in source else []),
        *source.get("files", []),
    ]
