"""The report of one comparison: verdict first, a difference only where there may be one."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeproof.calibration.noise import read_noise
from edgeproof.core.configuration import Json
from edgeproof.core.dependence import Dependence
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write, sha256_file
from edgeproof.core.formatting import first_up, plain
from edgeproof.core.layout import Cell, relative_to_repository
from edgeproof.runs.paired_sessions import PairsSession

from .accuracy_changes import compare_accuracies
from .accuracy_sentences import describe_accuracy
from .between_sessions import compare_between_sessions
from .build_verdicts import describe_single_build, judge_builds
from .energy_sentences import describe_energy
from .energy_verdicts import judge_energy
from .judging import WAIVED
from .measured_pairs import find_other_state, items_of, read_sessions
from .pair_verdicts import (
    describe_design,
    describe_effect,
    describe_interference,
    describe_modes,
    divide_by_items,
    judge,
    make_design,
)
from .resource_sentences import describe_resources
from .resources import compare_resources
from .sentences import describe_comparable, describe_grounds, describe_reason, describe_remedy, describe_verdict
from .side_files import folder_of_artifact, read_judged_result, read_parity
from .starts_alone import compare_starts

_NOISE_KEYS = ("cell", "provenance", "pairs", "log_sd", "seconds_per_pair", "expected", "false_rate")


def report_comparison(
    verdict_path: FilePath,
    table: FilePath,
    record: FilePath,
    noise_paths: Sequence[FilePath],
    json_path: FilePath,
    markdown_path: FilePath,
) -> None:
    """Write `report.json` and `report.md` of a comparison from its verdict, its pairs and the campaign's
    calibrations.
    """
    report = build_report(verdict_path, table, record, noise_paths)
    write_json(json_path, report, "comparison")
    atomic_write(markdown_path, render_markdown(report))


def build_report(
    verdict_path: FilePath, table: FilePath, record: FilePath, noise_paths: Sequence[FilePath] = ()
) -> Json:
    """Return the report document of a comparison.

    `noise_paths`: noise.json of the calibrated cells. The design stands in the record, fixed before the first pair.
    `effect` (ratio right / left, delta in %) is null unless pairs were measured; `between_sessions` takes its place for
    two devices.
    """
    verdict = read_json(verdict_path, "verdict")
    document, sessions = read_sessions(record, table)
    for session in sessions:
        _require_state(session, verdict, record)
    design = document["design"]
    noises = [*_describe_noises([path for path in noise_paths if _is_of(path, verdict["left"]["cell"])])]
    report: Json = {
        "schema": "edgeproof.comparison.v6",
        "comparison": verdict["comparison"],
        "left": verdict["left"]["cell"],
        "right": verdict["right"]["cell"],
        "comparable": verdict["verdict"],
        "mode": verdict["mode"],
        "policy": verdict["policy"],
        "varies": verdict["varies"],
        "reasons": verdict["reasons"],
        "waived": None,
        "per": verdict["per"],
        "items": items_of(verdict),
        "verdict": "not-comparable",
        "reason": None,
        "explanation": None,
        "provenance": sessions[0].provenance if sessions else verdict["left"]["provenance"],
        "effect": None,
        "modes": None,
        "alone": None,
        "accuracy": _compare_accuracies(verdict),
        "interference": None,
        "builds": None,
        "between_sessions": None,
        "resources": compare_resources(
            verdict["left"]["resources"],
            verdict["right"]["resources"],
            items_of(verdict) if verdict["per"] == "item" else {"left": 1, "right": 1},
        )
        if verdict["verdict"] != "no"
        else [],
        "design": design,
        "noise": noises,
        "pairs": sum(len(session.pairs) for session in sessions),
        "seconds": sum(session.record["seconds"] for session in sessions),
        "can_continue": False,
        "further_pairs": None,
        "further_seconds": None,
        "sessions": document["sessions"],
        "digests": {
            "left_result": verdict["left"]["result_sha256"],
            "right_result": verdict["right"]["result_sha256"],
            "pairs": sha256_file(table),
        },
    }
    if document["reason"] and document["reason"]["kind"] == "two-devices":
        sides = [read_judged_result(verdict[side]) for side in ("left", "right")]
        per_call = (report["items"]["left"], report["items"]["right"]) if report["per"] == "item" else (1, 1)
        found = compare_between_sessions(sides[0], sides[1], design["margin"], design["comparisons"], per_call)
        return _waive(report | found, verdict)
    if document["status"] != "measured":
        failed = document["status"] == "failed" or document["reason"]["kind"] == "failed"
        return report | {
            "verdict": "failed" if failed else "not-comparable",
            "explanation": document["reason"]["message"],
        }
    return _waive(report | _judge(report, sessions, document, verdict), verdict)


def _waive(report: Json, verdict: Json) -> Json:
    """Return the report of a comparison that was measured; what the pairs say of one that was refused is apart."""
    if verdict["verdict"] != WAIVED:
        return report
    fields = {reason["field"]: verdict["waive"][reason["field"]] for reason in verdict["reasons"]}
    return report | {"verdict": WAIVED, "waived": {"measured": report["verdict"], "fields": fields}}


def rebuild_report(report: Json, verdict_path: FilePath, table: FilePath, record: FilePath) -> Json:
    """Build the report of a comparison again from what it says it rests on, for comparing with what it claims."""
    return build_report(verdict_path, table, record, [noise["file"] for noise in report["noise"]])


def render_markdown(report: Json) -> str:
    """Return the report of a comparison as Markdown, `report.md`; a pair without an effect shows no number."""
    left, right = (
        "/".join(report[side][k] for k in ("model", "preset", "device", "precision")) for side in ("left", "right")
    )
    lines = [f"# {report['comparison']}", "", f"**{plain(describe_verdict(report))}**", ""]
    told = (describe_reason(report), describe_remedy(report), describe_accuracy(report))
    lines += [plain(f"{line}\n") for line in told if line]
    if report["provenance"] != "measured":
        lines += [f"These times are **{report['provenance']}**, not measured.", ""]
    lines += [f"left: `{left}`  ", f"right: `{right}`", ""]
    lines += [f"**{first_up(describe_comparable(report))}** (policy `{report['policy']}`)", ""]
    if report["reasons"]:
        lines += ["| field | left | right | remedy |", "|---|---|---|---|"]
        for reason in report["reasons"]:
            remedy = reason["remedy"] or "this is what is compared"
            cells = (reason["field"], reason["left"], reason["right"], remedy)
            lines.append("| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
        lines.append("")
    lines += [
        f"- {plain(line)}"
        for line in (*describe_grounds(report), *describe_energy(report), *describe_resources(report))
    ]
    return "\n".join(lines).rstrip() + "\n"


def _judge(report: Json, sessions: Sequence[PairsSession], record: Json, verdict: Json) -> Json:
    """Return what the pairs decide of a report. `record`: `pairs.json`; `verdict`: `verdict.json`."""
    told, dependence = report["design"], Dependence(**report["design"]["correlation"])
    design = make_design(told["margin"], told["comparisons"], dependence)
    assert describe_design(design, dependence) == told
    pairs = [pair for session in sessions for pair in session.pairs]
    if len(record["builds"] or ()) > 1:
        waiting = iter(sessions)
        builds = [list(itertools.islice(waiting, build["sessions"])) for build in record["builds"]]
        return judge_builds(record, [[p for s in own for p in s.pairs] for own in builds], report["items"], design)
    divided = divide_by_items(pairs, report["items"])
    judged = judge(divided, design)
    found = judged.verdict
    per_pair = report["seconds"] / report["pairs"]
    asked = any(session.asks_energy for session in sessions)
    return {
        "verdict": found.verdict,
        "reason": found.reason,
        **({"energy": judge_energy(sessions, report["items"], judged.design)} if asked else {}),
        "effect": describe_effect(judged),
        "modes": describe_modes(judged),
        "alone": compare_starts(
            {side: read_judged_result(verdict[side]) for side in ("left", "right")},
            divided,
            judged,
            report["items"] if report["per"] == "item" else {"left": 1, "right": 1},
        ),
        "interference": describe_interference(judged),
        "builds": describe_single_build(record, pairs, report["items"]),
        "can_continue": found.can_continue,
        "further_pairs": found.further_pairs,
        "further_seconds": None if found.further_pairs is None else found.further_pairs * per_pair,
    }


def _require_state(session: PairsSession, verdict: Json, record: FilePath) -> None:
    """Raise UserError where a session met another machine than the results did which say that it may be measured."""
    if session.pairs and (other := find_other_state(session, verdict)):
        side, field, found, wanted = other
        raise UserError(
            f"{record}: {field} of {side} is {found!r}, and was {wanted!r} when its result was measured; run "
            "the workflow again"
        )


def _is_of(path: FilePath, cell: Json) -> bool:
    """Tell whether a calibration is of this cell, by its folder `{model}/{preset}/{device}/{precision}/{protocol}`."""
    return Path(path).parts[-6:-2] == tuple(cell[field] for field in Cell._fields)


def _describe_noises(paths: Sequence[FilePath]) -> Iterator[Json]:
    """Yield what the report says of each calibration; one that failed says nothing about noise."""
    for path in paths:
        document, _ = read_noise(path)
        if document["failure"] is None:
            shown = {key: document[key] for key in _NOISE_KEYS}
            yield {"file": relative_to_repository(path), "sha256": sha256_file(path), **shown}


def _compare_accuracies(verdict: Json) -> Json | None:
    """Return how accuracy changes from the left artifact to the right, None where both are one or may not meet."""
    sides = [verdict[side]["cell"] for side in ("left", "right")]
    if verdict["verdict"] == "no" or sides[0] == sides[1]:
        return None
    parities: Json = {}
    for side in ("left", "right"):
        path = f"{folder_of_artifact(verdict[side]['cell'])}/parity.json"
        parities[side] = read_parity(read_judged_result(verdict[side]), path)
    return compare_accuracies(parities)
