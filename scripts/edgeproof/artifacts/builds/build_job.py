"""The job of a build script: what to build, from what, and where to put it, as its command line says.

Scripts that use a converter start it before they import anything slow, so this module imports little: a `NamedTuple`
and not a dataclass, for instance, which would take 8 ms more.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from edgeproof.core.configuration import Json
from edgeproof.core.job_options import json_argument

COMMON = ("cell", "source", "identity", "preset", "precision", "calibration", "artifact", "manifest")
CONVERTED = ("toolchain", "saved-model", "log")  # further options of a build in a toolchain
SUPPLIED = ("supplied",)  # further option of a build that a file of the user's may take the place of
ON_DEVICE = ("board", "interpreter", "lock", "log")  # further options of a build on the device

_REQUIRED: dict[str, Any] = {"required": True}
_JSON: dict[str, Any] = {"required": True, "type": json_argument}
_OPTIONS: dict[str, dict[str, Any]] = {
    "cell": {**_JSON, "help": "JSON: model, preset, builder, precision"},
    "source": {**_REQUIRED, "help": "model.onnx of the sources room"},
    "identity": {**_REQUIRED, "help": "identity.json of the model"},
    "preset": {**_JSON, "help": "JSON: backend, artifact, build options"},
    "precision": {**_REQUIRED, "help": "a precision that the preset builds, such as fp32 or int8"},
    "calibration": {"nargs": "?", "help": "npz of calibration samples; only int8 needs it"},
    "artifact": {**_REQUIRED, "help": "file to write; empty if the build fails"},
    "manifest": {**_REQUIRED, "help": "manifest.json to write beside it"},
    "toolchain": {**_REQUIRED, "help": "record of the toolchain that converts"},
    "saved-model": {"nargs": "?", "help": "record of the model's SavedModel, for formats that are made from it"},
    "board": {"help": "text that this machine's name must contain"},
    "interpreter": {"help": "Python that has the vendor's package"},
    "lock": {"help": "lock file of the device (default: what its configuration says)"},
    "supplied": {"type": json_argument, "help": "JSON: file and perhaps sha256 of an artifact of the user's"},
    "log": {**_REQUIRED, "help": "file for the output of the converter"},
    "record": {**_REQUIRED, "help": "JSON to write beside it"},
}


class BuildJob(NamedTuple):
    """One build. Every path may be a string or a Path.

    `script`, `argv`: the command line, for the manifest. `cell`: model, preset, builder, precision. `source`: the fp32
    ONNX file, `identity` its identity.json. `preset`: the preset's snapshot (see `select_build_options`).
    `calibration`: npz that int8 needs. `artifact`, `manifest`: files to write, in one folder. `log`: file for the
    output of a converter. `toolchain`: record of the toolchain that converts. `saved_model`: record of the model's
    SavedModel, for formats that are made from it. `board`, `interpreter`, `lock`: for a build on a device, the text
    that its name must contain, the Python with the vendor's package, and its lock file. `machine`: {id, board, cpu} of
    a device that builds, where it is not this machine. `supplied`: {file, sha256} of an artifact of the user's, which
    is taken as it is.
    """

    script: str
    argv: Sequence[str]
    cell: dict[str, str]
    source: str | Path
    identity: str | Path
    preset: Json
    precision: str
    artifact: str | Path
    manifest: str | Path
    calibration: str | Path | None = None
    log: str | Path = ""
    toolchain: str | Path | None = None
    saved_model: str | Path | None = None
    board: str | None = None
    interpreter: str | None = None
    lock: str | Path | None = None
    supplied: Json | None = None
    machine: Json | None = None

    def __str__(self) -> str:
        return "/".join(self.cell.values())


def parse_build_job(script: str, description: str | None, argv: Sequence[str], further: Sequence[str] = ()) -> BuildJob:
    """Return the job of a build script, as its command line `argv` describes it.

    `further`: names of options beside COMMON, such as CONVERTED or ON_DEVICE.
    """
    parser = argparse.ArgumentParser(description=description)
    add_job_options(parser, (*COMMON, *further))
    return BuildJob(script=script, argv=argv, **vars(parser.parse_args(argv)))


def add_job_options(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add the options that describe a build job to the parser of a build script, by name and without the dashes."""
    for name in names:
        parser.add_argument(f"--{name}", **_OPTIONS[name])


def read_job_file(path: str | Path) -> Json:
    """Return a JSON document that a build job names, checked when it was made, without importing what checks it."""
    return json.loads(Path(path).read_bytes())
