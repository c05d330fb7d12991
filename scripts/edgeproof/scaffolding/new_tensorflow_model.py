"""`edgeproof new model` for a TFLite file or a SavedModel: a configuration that exports it to ONNX, and a campaign."""

import argparse
from pathlib import Path

from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.exported_sources import SAVED_MODEL
from edgeproof.core.files import read_head
from edgeproof.core.layout import relative_to_repository
from edgeproof.core.lfs_pointers import require_no_pointer
from edgeproof.core.reader import require_regular

from .model_texts import render_tensorflow_model
from .new_exported_model import choose_name, refuse_samples, write_exported_model
from .new_files import MOVE, note_place

_MAGIC = b"TFL3"  # from the fifth byte on


def is_tensorflow_model(path: str) -> bool:
    """Tell whether a new model's path is TensorFlow's: a TFLite file or a folder, which only a SavedModel may be."""
    return path.endswith(".tflite") or Path(path).is_dir()


def write_tensorflow_model(options: argparse.Namespace, root: Path) -> ExitCode:
    """Write a new TensorFlow model, a TFLite file or a SavedModel: `config/models/NAME.yaml` and `config/NAME.yaml`.

    UserError for a mistake. A TFLite file is also named as the artifact of its precision, so that it is measured as it
    is.
    """
    path, name = Path(options.path), choose_name(options, root)
    if options.module:
        raise UserError(f"--module is for a PyTorch model; {path} is a TensorFlow model")
    if options.shape:
        raise UserError("--shape is for ONNX and PyTorch; size the open axes with input_shapes in the model's YAML")
    refuse_samples(options, "a TensorFlow model")
    precision = _name_precision(path)
    placed = relative_to_repository(path.resolve(), root)
    text = render_tensorflow_model(name, placed, precision)
    notes = ["the first run makes the tensorflow toolchain: 2.5 GB", *note_place(placed, MOVE)]
    if precision:
        notes.append(f"the file itself is the {precision} artifact of TFLite presets (--preset litert-cpu measures it)")
    return write_exported_model(options, root, name, text, notes)


def _name_precision(path: Path) -> str | None:
    """Return the precision as which a TFLite file is named, None for a SavedModel; UserError if it is neither.

    The file's name says it, as exporters name them; the build counts and refuses a file that is something else.
    """
    if path.is_dir():
        if not (path / SAVED_MODEL).is_file():
            raise UserError(f"{path}: is a folder without {SAVED_MODEL}; name an ONNX file, or a SavedModel's folder")
        for file in sorted(path.rglob("*")):
            if file.is_file():
                require_no_pointer(file)
        return None
    require_regular(path)
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    require_no_pointer(path)
    if read_head(path, 8)[4:] != _MAGIC:
        raise UserError(f"{path}: is no TFLite file; convert the model again, or name the ONNX file")
    words = path.stem.lower().replace("-", "_").split("_")
    return next((kind for kind, names in _NAMED.items() if set(names) & set(words)), "fp32")


_NAMED = {"int8": ("int8", "quant", "quantized", "integer"), "fp16": ("fp16", "float16", "half")}
