"""`edgeproof import-step`: take in what a kit has packed on a device that no job reaches."""

import contextlib
import datetime
from argparse import Namespace
from pathlib import Path

from edgeproof.core.command_line import CommandParser, NameLists, add_json, read_options, show
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode

_DESCRIPTION = (
    "Take in the archive that a kit has packed on a device that no job reaches, and note who measured, with what, and "
    "when. The next `snakemake` makes the result of it."
)


def main(argv: list[str], root: Path) -> ExitCode:
    """Run `edgeproof import-step`. `root`: the folder that has `results/`."""
    options = read_options(build_import_parser(), argv)
    return _take(options, root)


def build_import_parser() -> CommandParser:
    """Return the parser of `edgeproof import-step`."""
    parser = add_json(CommandParser(prog="edgeproof import-step", description=_DESCRIPTION))
    parser.add_argument("cell", metavar="DOCUMENT", help="the cell that was measured, as model/preset/device/precision")
    parser.add_argument("archive", metavar="FILE", help="brought.zip, which the kit has packed")
    parser.add_argument("--operator", metavar="NAME", required=True, help="who measured")
    parser.add_argument("--instrument", metavar="TEXT", required=True, help="with what, such as the device's own clock")
    parser.add_argument("--date", metavar="DAY", help="when, as YYYY-MM-DD (default: by the device's clock)")
    return parser


def list_completions(root: Path) -> NameLists:
    """Return the functions that list the names which `edgeproof import-step` takes, by the metavar of an argument."""
    from .made_names import list_made

    return {"DOCUMENT": lambda: list_made(root)}


def _take(options: Namespace, root: Path) -> ExitCode:
    from edgeproof.core.layout import Cell, run_folder  # after the options: a mistake in them needs no numpy
    from edgeproof.runs.carried_sessions import KIT, Carrier, list_carried, take_session

    archive = Path(options.archive).resolve()
    carrier = Carrier(_require_text(options, "operator"), _require_text(options, "instrument"), _read_day(options.date))
    parts = options.cell.strip("/").removeprefix("results/").removeprefix("runs/").split("/")
    if len(parts) != len(Cell._fields):
        raise UserError(f"{options.cell}: name a cell, MODEL/PRESET/DEVICE/PRECISION")
    folder = Path(run_folder(Cell(*parts)))
    with contextlib.chdir(root):  # attempts are named relative to it
        if not (folder / KIT).is_file():
            raise UserError(f"{folder / KIT}: is missing; snakemake writes it for a device with `transport: manual`")
        taken = take_session(folder, archive, carrier)
        entry = next(item for item in list_carried(folder) if item["attempt"] == taken.folder.name)
    document = {"cell": "/".join(parts), **entry}
    lines = [f"taken in as {taken.folder}", f"sha256 {entry['sha256']}, {entry['date']}"]
    if told := entry.get("device_date"):
        lines.append(f"note: the device's clock says {told}; the record has both days")
    return show(options, document, lambda: lines)


def _require_text(options: Namespace, name: str) -> str:
    value = " ".join(getattr(options, name).split())
    if not value:
        raise UserError(f"--{name}: is empty")
    return value


def _read_day(day: str | None) -> str | None:
    if day is None:
        return None
    try:
        return datetime.date.fromisoformat(day).isoformat()
    except ValueError as error:
        raise UserError(f"--date {day}: is no day; write YYYY-MM-DD") from error
