"""Permanent faults of an input: trying again will not help, so they are results of the model and not failed jobs.

A model that cannot be had or used still has all its documents: a note in place of `model.onnx`, an `identity.json` and
a `samples.json` with `status: failed` and a reason, empty sample sets, and failed manifests. So the other models of a
campaign go on, and the report says what is wrong with this one.
"""

import json
import os
import stat
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write, read_head
from edgeproof.core.lfs_pointers import describe_pointer

_NOTE = "edgeproof: no model"
_LONGEST_NOTE = 4096  # bytes


class InputFault(UserError):
    """What is permanently wrong with an input.

    `kind`: missing_file, lfs_pointer, not_found, too_large, wrong_digest, unreadable, external_weights, refused,
    unmeasurable, no_model, no_export or unfit_samples.
    """

    def __init__(self, kind: str, message: object) -> None:
        super().__init__(" ".join(str(message).split()))
        self.kind = kind

    def describe(self) -> dict[str, str]:
        """Return {kind, message}, the `reason` of a document."""
        return {"kind": self.kind, "message": str(self)}


def require_file(path: FilePath, key: str) -> None:
    """Raise InputFault if an input's `path` has no file, or a Git LFS pointer. `key`: where the path was written.

    A file that may not be read is the machine's fault and not the input's; it passes here.
    """
    try:
        mode = os.stat(path).st_mode
    except PermissionError:
        return
    except (OSError, ValueError):  # ValueError: a name that no file can have
        raise InputFault("missing_file", f"{key} {path}: no such file; put it there or correct the path") from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise InputFault("missing_file", f"{key} {path}: is {kind}; name a file")
    if os.access(path, os.R_OK):
        require_content(path, f"{key} ")


def require_content(path: FilePath, where: str = "") -> None:
    """Raise InputFault if an input is a Git LFS pointer; UserError if it cannot be read. `where` leads its path."""
    if told := describe_pointer(path):
        raise InputFault("lfs_pointer", f"{where}{told}")


def write_note(path: FilePath, fault: InputFault) -> None:
    """Write a note about the fault of an input in place of a model file."""
    atomic_write(path, f"{_NOTE}: {fault.kind}: {fault}\n")


def read_note(path: FilePath) -> InputFault | None:
    """Return the fault that the file in place of a model tells of; None for any other file."""
    try:
        head = read_head(path, _LONGEST_NOTE).decode(errors="replace")
    except UserError:
        return None
    if not head.startswith(f"{_NOTE}: "):
        return None
    _, _, kind, message = head.rstrip("\n").split(": ", 3)
    return InputFault(kind, message)


def find_model_fault(identity: str | Path) -> Json | None:
    """Return the input fault of a model, {kind, message}, from its identity; None for a model without one."""
    try:
        return json.loads(Path(identity).read_bytes()).get("reason")
    except (OSError, ValueError, AttributeError):  # the build will say what is wrong with this file
        return None


def find_samples_fault(path: FilePath) -> Json | None:
    """Return the input fault that emptied a sample set, {kind, message}, from `samples.json` beside it; else None."""
    place = Path(path)
    try:
        if place.stat().st_size:
            return None
        reason = json.loads(place.with_name("samples.json").read_bytes()).get("reason")
    except (OSError, ValueError):
        return None
    return reason
