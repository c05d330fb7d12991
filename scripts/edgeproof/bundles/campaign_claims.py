"""Claims about a campaign: every cell, calibration, comparison and plan, the gate, and the pages."""

import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from edgeproof.adaptation.replay_documents import read_replay
from edgeproof.adaptation.service_records import read_service
from edgeproof.calibration.noise import read_noise
from edgeproof.comparability.deciding import read_decision
from edgeproof.comparability.measured_pairs import read_sessions
from edgeproof.comparability.reading import read_comparison, read_own_verdict
from edgeproof.comparability.regression import read_regression
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file
from edgeproof.core.layout import Cell, comparison_folder, evidence_folder, family_folder, replay_folder, run_folder
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import SEAL, digest_json
from edgeproof.evidence.collecting import collect_plan
from edgeproof.evidence.evidence_files import list_cells
from edgeproof.evidence.gate import check_gate
from edgeproof.evidence.stale import find_stale
from edgeproof.evidence.validating import validate_evidence
from edgeproof.evidence.wanted import settings_of, snapshot_as_made

from .bundle_files import list_family_cells
from .claims import NOT_COVERED, RECOMPUTED, REFUTED, Claim, check_claim, find_fault
from .phase_claims import check_phases
from .run_claims import check_cell

_COMPARED = {
    "verdict": "whether the two may be compared follows from both results and the policy",
    "pairs": "every pair was computed again from its raw times",
    "report": "ratio, interval, looks and verdict follow from the pairs",
    "regression": "follows from comparison, results and policy",
    "decision": "follows from criteria, regression, result and parity",
}


def check_campaign(name: str, paths: Collection[str], believed: str) -> Iterator[Claim]:
    """Yield the claims of the bundle of a campaign, below the current folder.

    `paths`: the files of the bundle. `believed`: the word for what cannot be computed again.
    """
    wanted = read_json(f"{evidence_folder(name)}/wanted.json", "wanted")
    snapshot = wanted["campaign"]
    if snapshot["campaign"] != name:
        raise UserError(f"{evidence_folder(name)}/wanted.json: is of campaign {snapshot['campaign']!r}, not {name!r}")
    for row in list_cells(snapshot):
        if f"{run_folder(Cell(*row[:4]))}/result.json" in paths:
            yield from check_cell(Cell(*row[:4]), row[4], believed)
    for path in wanted["noise"]:
        told = "spread and dependence follow from the raw times of its pairs"
        yield check_claim(f"calibration {path}", lambda path=path: _check_key(read_noise(path)[0], path), told)
    for comparison in snapshot["comparisons"]:
        yield from _check_comparison(comparison, comparison_folder(name, comparison), believed)
    for pipeline, goal in snapshot["plans"]:
        told = "the verifier, which shares no code with the solvers, found the same; its check follows from raw samples"
        yield check_claim(f"plan {pipeline}/{goal}", lambda row=(pipeline, goal): collect_plan(*row), told)
    for row in snapshot.get("replays", []):
        told = "the trace was replayed again, and every choice is the same"
        summary = f"{replay_folder(*row)}/summary.json"
        for cell, builder in list_family_cells(f"{family_folder(*row[:2])}/family.json"):
            yield from check_cell(cell, builder, believed)
        yield check_claim(f"replay {'/'.join(row)}", lambda summary=summary: read_replay(summary), told)
    for row in snapshot.get("services", []):
        told = "its figures follow from the answer of every request"
        path = f"{family_folder(*row)}/service.json"
        yield check_claim(f"service {'/'.join(row)}", lambda path=path: read_service(path), told)
    yield from check_phases(name, paths)
    yield _check_gate(name, wanted)
    yield _check_everything(name)


def _check_comparison(name: str, folder: str, believed: str) -> Iterator[Claim]:
    checks = {
        "verdict": lambda: read_own_verdict(f"{folder}/verdict.json"),
        "pairs": lambda: _check_key(
            read_sessions(f"{folder}/pairs.json", f"{folder}/pairs.csv")[0], f"{folder}/pairs.json"
        ),
        "report": lambda: read_comparison(f"{folder}/report.json"),
        "regression": lambda: read_regression(f"{folder}/regression.json"),
        "decision": lambda: read_decision(f"{folder}/decision.json"),
    }
    for part, check in checks.items():
        yield check_claim(f"comparison {name} {part}", check, _COMPARED[part])
    for field, reason in read_json(f"{folder}/verdict.json", "verdict")["waive"].items():
        yield Claim(f"comparison {name} waives {field}", believed, f"{reason}; no gate takes it")


def _check_key(document: Json, path: str) -> None:
    """Raise UserError where the key of a document, which names the attempts it may use, is not that of its parts."""
    if document["key"]["sha256"] != digest_json(document["key"]["parts"]):
        raise UserError(f"{path}: key.sha256 is not that of its parts")


def _check_gate(campaign: str, wanted: Json) -> Claim:
    """Judge the gate again; a campaign without gate.json has not passed it, and claims nothing."""
    path = f"{evidence_folder(campaign)}/gate.json"
    if not is_file(path):
        return Claim("gate", NOT_COVERED, "there is no gate.json: the gate was not passed, or not asked")

    def check() -> None:
        claimed = read_json(path, "gate")
        with tempfile.TemporaryDirectory(dir=evidence_folder(campaign), prefix=".") as place:
            output = Path(place, "gate.json")
            stale = find_stale(wanted)
            check_gate(snapshot_as_made(wanted), wanted["tolerate"], output, settings_of(wanted), stale)
            if not output.is_file():
                raise UserError(f"{path}: the gate is said to have passed, and does not")
            again = read_json(output, "gate")
        same = {name: value for name, value in claimed.items() if name != SEAL}
        must_follow(same, {name: again[name] for name in again if name != SEAL}, "", path, "the campaign's documents")

    return check_claim("gate", check, "every cell, regression and plan was judged again")


def _check_everything(campaign: str) -> Claim:
    """Do what `edgeproof evidence validate` does: keys, seals, attempts, pages and tables."""
    subject = "keys, seals, attempts, pages and tables"
    faults: list[str] = []
    if fault := find_fault(lambda: faults.extend(validate_evidence(campaign))):
        return Claim(subject, REFUTED, fault)
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return Claim(subject, REFUTED, faults[0] + more)
    return Claim(subject, RECOMPUTED, "every attempt was hashed, and every page is what the documents give")
