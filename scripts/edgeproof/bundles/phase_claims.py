"""Claims about the five phases of a campaign: what every device was decided from, the report of it, and the runbooks.

What a job was asked to do stands in the key of what it made, so each is made again from the documents and compared.
"""

import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_text
from edgeproof.core.errors import UserError
from edgeproof.core.job_key import place_of, read_kept_key
from edgeproof.core.layout import Cell, evidence_folder
from edgeproof.phases.phase_decisions import read_phase_decision, read_request
from edgeproof.phases.phase_report import report_phases
from edgeproof.phases.runbooks import write_runbook

from .claims import Claim, check_claim

_PREPARATION, _CONVERSION, _REPORT = "preparation.json", "conversion.json", "report.json"
_DECIDED = "what to deploy on the device follows from results, comparisons and criteria"
_REPORTED = "document, pages, table and plot are what the decisions give"
_WRITTEN = "its steps are those of the device, the cells and the protocol that its key names"


def check_phases(campaign: str, paths: Collection[str]) -> Iterator[Claim]:
    """Yield the claims about the phases of a campaign, below the current folder; none where it has none.

    `paths`: the files of the bundle.
    """
    folder = Path(f"{evidence_folder(campaign)}/phases")
    for path in sorted(path for path in paths if Path(path).parts[:-2] == folder.parts):
        device, name = Path(path).parts[-2:]
        if name == "decision.json":
            yield check_claim(f"phases {device}", lambda path=path: _decide_again(path, folder), _DECIDED)
        elif name == "runbook.md":
            yield check_claim(f"runbook {device}", lambda path=path: _write_again(path), _WRITTEN)
    if f"{folder}/{_REPORT}" in paths:
        yield check_claim("phases report", lambda: _report_again(folder), _REPORTED)


def _decide_again(path: str, folder: Path) -> None:
    request = read_request(_read_parts(path)["request"])
    read_phase_decision(path, request, folder / _PREPARATION, folder / _CONVERSION)


def _write_again(path: str) -> None:
    asked = _read_parts(path)
    cells = {name: Cell(*cell) for name, cell in asked["cells"].items()}

    def write(place: Path) -> None:
        names = (asked["device"], asked["description"], cells, asked["protocol"], asked["files"])
        write_runbook(*names, place / Path(path).name)

    _compare_made(Path(path).parent, write)


def _report_again(folder: Path) -> None:
    asked = _read_parts(f"{folder}/{_REPORT}")
    requests = {device: read_request(request) for device, request in asked["requests"].items()}
    decisions = {device: f"{folder}/{device}/decision.json" for device in requests}

    def write(place: Path) -> None:
        made = (folder / _PREPARATION, folder / _CONVERSION)
        report_phases(requests, *made, decisions, place, asked["services"])

    _compare_made(folder, write)


def _read_parts(path: str) -> Json:
    return read_kept_key(place_of(path))["parts"]


def _compare_made(folder: Path, write: Callable[[Path], None]) -> None:
    """Write files again, beside the bundle's; UserError names the first that is another one."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as place:
        write(Path(place))
        for made in sorted(Path(place).iterdir()):
            if read_text(folder / made.name) != made.read_text(encoding="utf-8"):
                raise UserError(f"{folder / made.name}: is not what the documents give; it was edited")
