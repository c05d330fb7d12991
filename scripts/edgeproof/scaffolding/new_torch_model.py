"""`edgeproof new model` for a PyTorch model: a configuration that exports it to ONNX, and a campaign."""

import argparse
import zipfile
from pathlib import Path

from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import read_head
from edgeproof.core.layout import relative_to_repository
from edgeproof.core.lfs_pointers import require_no_pointer
from edgeproof.core.reader import require_regular

from .model_texts import render_torch_model
from .new_exported_model import choose_name, refuse_samples, write_exported_model
from .new_files import MOVE, note_place

ENDINGS = (".pt", ".pth", ".py")
_MAGICS = (b"PK", b"\x80")  # of the zip archive that torch.save writes, and of the pickle that it wrote before 1.6


def write_torch_model(options: argparse.Namespace, root: Path) -> ExitCode:
    """Write a new PyTorch model (module, state dict, TorchScript): `config/models/NAME.yaml` and `config/NAME.yaml`.

    UserError for a mistake.
    """
    path, name = Path(options.path), choose_name(options, root)
    refuse_samples(options, "a PyTorch model")
    module, weights = _name_module(path, options.module, root)
    text = render_torch_model(name, module, weights, _read_inputs(options.shape))
    notes = [note for place in (module, weights) if place for note in note_place(place, MOVE)]
    return write_exported_model(options, root, name, text, ["the first run makes the torch toolchain: 4 GB", *notes])


def _name_module(path: Path, module: str | None, root: Path) -> tuple[str, str | None]:
    """Return (`source.module`, `source.weights`) of a model's configuration; the second is None without weights."""
    require_regular(path)
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    require_no_pointer(path)
    placed = relative_to_repository(path.resolve(), root)
    if path.suffix == ".py":
        if not module or ":" in module:
            raise UserError(f"{path}: say which module in it is meant, such as --module Net")
        return f"{placed}:{module}", None
    if not read_head(path, 2).startswith(_MAGICS):
        raise UserError(f"{path}: is no file of PyTorch's; save one with torch.save or torch.jit.save")
    if module:
        file, colon, name = module.rpartition(":")
        if not colon or not Path(file).is_file():
            raise UserError(
                f"--module {module}: FILE.py:NAME is needed, the class that the weights in {path} belong to"
            )
        return f"{relative_to_repository(Path(file).resolve(), root)}:{name}", placed
    if path.suffix != ".pt" or not _is_torchscript(path):
        raise UserError(
            f"{path}: has weights and no code; name the class that they belong to, such as --module net.py:Net"
        )
    return placed, None


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def _read_inputs(arguments: list[str]) -> dict[str, list[int]]:
    """Return {input: shape of one call} of the `--shape` options, in their order."""
    shapes: dict[str, list[int]] = {}
    for text in arguments:
        name, equals, sizes = text.rpartition("=")
        if not equals or not name or not all(size.isdigit() and int(size) for size in sizes.split(",")):
            raise UserError(f"--shape {text}: INPUT=N,… is needed, such as x=1,3,224,224")
        shapes[name] = [int(size) for size in sizes.split(",")]
    if not shapes:
        raise UserError("--shape is missing: a PyTorch model does not say what it takes, such as --shape x=1,3,224,224")
    return shapes
