"""New files of the configuration: names that are free, all files or none, and what to do next."""

import argparse
import contextlib
import os
import re
import shlex
import tempfile
from collections.abc import Generator, Iterable
from pathlib import Path

from edgeproof.core.catalogues import CATALOGUES, list_entries
from edgeproof.core.command_line import show
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import name_from_here
from edgeproof.core.yaml_files import parse_yaml

LONGEST_NAME = 100  # as a campaign's, which is named after its model
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
MOVE = "move the file into the checkout to avoid that"


def require_new_name(name: str) -> str:
    """Return a name that new files of the configuration may have; UserError for another."""
    if not _NAME.fullmatch(name) or not isinstance(parse_yaml(name, name), str):
        meant = make_name(name)
        raise UserError(f"{name!r} cannot be a name; use lower-case letters, digits and hyphens, such as {meant}")
    if len(name) > LONGEST_NAME:
        told = f"{name!r} has {len(name)} characters; a name has at most {LONGEST_NAME}"
        raise UserError(f"{told}: choose a shorter one (--name)")
    return name


def make_name(text: str) -> str:
    """Return a name for new files, made of a text: `ResNet 50_v2` becomes `resnet-50-v2`."""
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "model"
    return name if isinstance(parse_yaml(name, name), str) else f"model-{name}"  # not 50, null or yes


def require_referred_entry(kind: str, name: str, root: Path) -> None:
    """Raise UserError unless the entry to which new files refer has its own file already in the configuration."""
    folder = root / "config" / CATALOGUES[kind]
    if not (folder / f"{name}.yaml").is_file():
        known = ", ".join(path.stem for path in list_entries(folder))
        raise UserError(f"{name!r} is not a {kind} in config/{CATALOGUES[kind]}/; it has {known}")


def require_referred_entries(options: argparse.Namespace, root: Path) -> None:
    """Raise UserError unless preset, device and (where one is named) protocol, to which new files refer, are there."""
    for kind in ("preset", "device", "protocol"):
        if (name := getattr(options, kind)) is not None:
            require_referred_entry(kind, name, root)


def require_new_paths(paths: Iterable[str], root: Path, remedy: str) -> None:
    """Raise UserError if one of the new files exists already. `paths`: relative to `root`."""
    for path in paths:
        if os.path.lexists(root / path):
            raise UserError(f"{path}: exists already; {remedy}, or remove it")


@contextlib.contextmanager
def add_files(root: Path) -> Generator[Path]:
    """Yield a folder for new files; on a clean exit they get their places below `root`, all or none.

    Nothing is overwritten.
    """
    with tempfile.TemporaryDirectory(dir=root / "config", prefix=".new-") as name:
        stage = Path(name)
        yield stage
        added: list[Path] = []
        try:
            for path in sorted(path for path in stage.rglob("*") if path.is_file()):
                target = root / path.relative_to(stage)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, target)  # fails where a file is, unlike a rename
                added.append(target)
        except BaseException as error:
            for path in added:
                path.unlink()
            if isinstance(error, FileExistsError):
                raise UserError(f"{error.filename2}: exists already; nothing was written") from error
            raise


def place_file(stage: Path, path: str) -> Path:
    """Return where a new file is made in the folder of `add_files`; its own folder is there."""
    target = stage / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def note_place(path: str, remedy: str) -> list[str]:
    """Return the note on an absolute path that a new file of the configuration holds; none for one in the checkout."""
    if not Path(path).is_absolute():
        return []
    return [f"the path {path} is outside of the checkout, and every bundle of this model will hold it; {remedy}"]


def suggest_next_run(profile: str, campaign: str, root: Path) -> str:
    """Return the command that runs the campaign of new files, from where you are. `campaign`: its file in `root`."""
    command = f"snakemake --profile {profile} --configfile {campaign}"
    return command if Path.cwd() == root.resolve() else f"(cd {shlex.quote(str(root.resolve()))} && {command})"


def tell_new_files(
    options: argparse.Namespace, root: Path, files: Iterable[str], notes: list[str], following: str
) -> ExitCode:
    """Print which new files were written, what to know about the files, and which command comes next; return GOOD.

    `files`: relative to `root`; they are named so that the names hold where the user stands.
    """
    named = [name_from_here(path, root) for path in sorted(files)]
    document = {"files": named, "notes": notes, "next": following}
    lines = [*(f"wrote {path}" for path in named), *notes, f"next: {following}"]
    return show(options, document, lambda: lines)
