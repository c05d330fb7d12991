"""Regression: is the right side of a comparison (the candidate) worse than the left (the baseline)?

A policy (`config/regressions/`) sets the thresholds. With the method `paired`, the interval of the interleaved pairs
must lie wholly beyond a threshold to trigger it and wholly below to clear it, whatever the margin of the comparison;
with `points`, two figures from two times are compared, as EdgeEnv and Lab do. If the sides cannot be compared, the
status is `blocked`, with a mode and a recommendation: neither a regression nor its absence.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.formatting import format_signed
from edgeproof.core.reader import read_once, reading_once
from edgeproof.core.recomputing import must_follow
from edgeproof.core.verified import verified_once
from edgeproof.core.yaml_files import read_yaml
from edgeproof.runs.drift_records import list_changed_sessions, say_changed_sessions

from .edgeenv import BLOCKED, Metrics, ThresholdLine, describe_regression
from .judging import Judgement, judge_comparability, read_views
from .lab import compare_accuracy, name_direction, name_overall, name_tradeoff_risk
from .reading import read_comparison, read_own_verdict, read_side
from .resources import compare_resources, read_resources
from .side_files import folder_of_artifact, folder_of_run, read_parity
from .thresholds import (
    MORE_PAIRS,
    NO_PAIRS_DECIDE,
    Block,
    block_judgement,
    conclude_thresholds,
    find_block,
    judge_thresholds,
    make_line,
    select_known,
)
from .verdict_texts import REASONS

_SIDES = ("left", "right")
_PERCENTILES = {"latency_p95_ms": "p95", "latency_p99_ms": "p99"}
# What samplers watch: where it stands in a result, and its name in a comparison's resources.
_WATCHED = {
    "energy_j": ("energy", "value_j"),
    "power_mean_w": ("power", "mean_w"),
    "power_peak_w": ("power", "peak_w"),
    "temperature_peak_c": ("temperature", "peak_c"),
    "memory_mean_bytes": ("memory", "mean_bytes"),
}
_OF_ENERGY = {"lower": "faster", "higher": "slower"}
_ADVICE = {  # of an undecided comparison, by its reason
    "alike": "measure_more_builds",
    "builds": "measure_more_builds",
    "unmeasured": "measure_longer",
    "interference": "review_required",
    "modes": "review_required",
}
AT_TWO_TIMES = "the figures are from two runs at two times; differences between sessions are not accounted for"
_BETWEEN_SESSIONS = "two devices cannot be interleaved; judged by the means of whole sessions on both"


@reading_once()
def judge_regression(
    report_path: FilePath,
    results: Mapping[str, FilePath],
    parities: Mapping[str, FilePath],
    policy_name: str,
    policy: Json,
    comparability: Json | None,
    output: FilePath,
) -> None:
    """Write `regression.json` of a comparison (schema `regression`).

    `results`, `parities`: {left, right}: paths. `policy`: a document of config/regressions/. `comparability`: the
    document of config/policies/ that `policy` names, None if it names none. UserError if an input does not follow from
    the raw data.
    """
    document = _build_regression(report_path, results, parities, policy_name, policy, comparability)
    write_json(output, document, "regression")


@read_once
@verified_once("regression")
@reading_once()
def read_regression(path: FilePath) -> Json:
    """Return the regression at `path` after judging the candidate again from its evidence; UserError names what
    differs.
    """
    path = Path(path)
    document = read_json(path, "regression")
    policy = read_yaml(f"config/regressions/{document['policy']}.yaml", "regression-policy")
    comparability = policy["comparability"] and read_yaml(f"config/policies/{policy['comparability']}.yaml", "policy")
    cells = {"left": document["baseline"], "right": document["candidate"]}
    results = {side: f"{folder_of_run(cell)}/result.json" for side, cell in cells.items()}
    parities = {side: f"{folder_of_artifact(cell)}/parity.json" for side, cell in cells.items()}
    report = path.with_name("report.json")
    again = _build_regression(report, results, parities, document["policy"], policy, comparability)
    must_follow(document, again, "", path, "the comparison and its two results")
    return document


def _build_regression(
    report_path: FilePath,
    results: Mapping[str, FilePath],
    parities: Mapping[str, FilePath],
    policy_name: str,
    policy: Json,
    comparability: Json | None,
) -> Json:
    """Return the regression document; arguments as for `judge_regression`."""
    if len({entry["name"] for entry in policy["thresholds"]}) < len(policy["thresholds"]):
        raise UserError(f"config/regressions/{policy_name}.yaml: thresholds: a name is used twice")
    report = read_comparison(report_path)
    read_own_verdict(Path(report_path).with_name("verdict.json"))
    read = {side: read_side(report, side, results[side]) for side in _SIDES}
    agreed = {side: read_parity(read[side], parities[side]) for side in _SIDES}
    judge = _judge_pairs if policy["method"] == "paired" else _judge_points
    return {
        "schema": "edgeproof.regression.v1",
        "comparison": report["comparison"],
        "policy": policy_name,
        "method": policy["method"],
        "baseline": report["left"],
        "candidate": report["right"],
        **judge(report, read, agreed, policy, comparability),
        "provenance": _provenance(report, read, policy),
        "digests": {
            "report": sha256_file(report_path),
            **{f"{side}_result": report["digests"][f"{side}_result"] for side in _SIDES},
            **{f"{side}_parity": sha256_file(parities[side]) for side in _SIDES},
        },
    }


def _judge_pairs(
    report: Json, results: Mapping[str, Json], parities: Mapping[str, Json], policy: Json, comparability: Json | None
) -> Json:
    """Judge by the interval of the pairs; blocked where it proves no regression and leaves a threshold open."""
    judgement: Judgement = {
        "verdict": report["comparable"],
        "mode": report["mode"],
        "reasons": report["reasons"],
    }
    blocked: Block | None = find_block(judgement, results, policy)
    limits: list[float] = [
        100 * report["design"]["margin"] if entry["threshold_pct"] is None else entry["threshold_pct"]
        for entry in policy["thresholds"]
    ]
    lines: list[Any] = [
        {**make_line(entry), "threshold_pct": limit} for entry, limit in zip(policy["thresholds"], limits, strict=True)
    ]
    if blocked is None and _has_interval(report):
        judged = [
            line | _judge_by_interval(report, limit, entry)
            for line, limit, entry in zip(lines, limits, policy["thresholds"], strict=True)
        ]
        if any(line["status"] == "triggered" for line in judged) or all(
            line["status"] == "clear" or line["optional"] for line in judged
        ):
            lines = judged
        else:
            blocked = _block_open(report, judged)
    elif blocked is None:
        blocked = _block_open(report, [])
    if blocked is not None:
        lines = [line | {"reason": blocked["message"]} for line in lines]
    notes: list[str] = []
    if (apart := report["between_sessions"]) and blocked is None:
        changed = (say_changed_sessions(side, apart[f"{side}_changes"]) for side in _SIDES)
        notes = [_BETWEEN_SESSIONS, *itertools.chain(*changed)]
    return {
        **conclude_thresholds(lines, blocked, report["mode"]),
        "thresholds": lines,
        "notes": notes,
        "edgeenv": None,
        "lab": None,
    }


def _has_interval(report: Json) -> bool:
    """Tell whether the times have an interval to judge by: one pair has none."""
    effect = report["effect"] or report["between_sessions"]
    return effect is not None and effect["interval_low"] is not None


def _judge_by_interval(report: Json, limit: float, entry: Json) -> Json:
    """Return what a threshold's line says of the times or energies of pairs: triggered, clear, or unknown with why.

    `limit`: in percent. `entry`: the threshold. At the margin the comparison's own verdict holds. Elsewhere the
    threshold is triggered when the interval of the ratio lies wholly at or beyond it, and clear when the interval of
    the equivalence test lies wholly below it: the same ends as for `slower` and `equivalent`.
    """
    effect, verdict = report["effect"] or report["between_sessions"], report["verdict"]
    if entry["metric"] == "paired_energy":
        energy = report.get("energy")
        if energy is None or energy["effect"] is None or energy["effect"]["interval_low"] is None:
            why = energy and (energy["explanation"] or "too few pairs for an interval")
            return {"reason": f"energy: {why or 'the comparison did not ask for it (`energy: true`)'}"}
        effect, verdict = energy["effect"], _OF_ENERGY.get(str(energy["verdict"]), str(energy["verdict"]))
    low, high = (100 * (effect[f"interval_{end}"] - 1) for end in ("low", "high"))
    highest = 100 * ((effect.get("equivalence_high") or effect["interval_high"]) - 1)
    if entry["threshold_pct"] is None:
        status = {"slower": "triggered", "faster": "clear", "equivalent": "clear"}.get(verdict, "unknown")
    else:
        status = "triggered" if low >= limit else "clear" if highest < limit else "unknown"
    ends = [format_signed(end, 2) for end in (low, high)]
    inside = f"the limit of {limit:g} % lies inside the interval, {ends[0]} % to {ends[1]} %"
    reason = inside if status == "unknown" else None
    return {
        "delta_pct": effect["delta_pct"],
        "interval_low_pct": low,
        "interval_high_pct": high,
        "status": status,
        "reason": reason,
    }


def _block_open(report: Json, lines: Sequence[Json]) -> "Block":
    """Return the block of a comparison whose pairs leave a threshold open, or that has no interval to judge by."""
    undecided = report["verdict"] == "undecided" or lines
    message = report["explanation"] or next((line["reason"] for line in lines if line["reason"]), None)
    message = message or REASONS.get(report["reason"] or "", "the pairs neither show a difference nor exclude one")
    blocked = (
        block_judgement("undecided", message, _advise(report)) if undecided else block_judgement("failed", message)
    )
    if report["left"]["device"] != report["right"]["device"]:
        severity, recommendation = BLOCKED["target-comparison"]
        return Block(mode=report["mode"], severity=severity, recommendation=recommendation, message=blocked["message"])
    return blocked


def _advise(report: Json) -> str:
    """Return what would decide an open threshold: the same as the comparison's own remedy, in a word."""
    energy = report.get("energy")
    if report["further_pairs"] or (energy and energy["further_pairs"]):
        return MORE_PAIRS
    if report["verdict"] == "undecided":
        return _ADVICE.get(report["reason"] or "", NO_PAIRS_DECIDE)
    if energy and energy["verdict"] == "undecided":
        return NO_PAIRS_DECIDE
    return "smaller_margin"  # the pairs stopped at the margin, and the threshold lies below it


def _judge_points(
    report: Json, results: Mapping[str, Json], parities: Mapping[str, Json], policy: Json, comparability: Json | None
) -> Json:
    """Judge by the figures of the two results; a throttled or failed one has none."""
    judgement: Judgement = {
        "verdict": report["comparable"],
        "mode": report["mode"],
        "reasons": report["reasons"],
    }
    if comparability is not None:
        judgement = judge_comparability(*read_views(results["left"], results["right"]), comparability)
    metrics = {side: read_metrics(results[side]) for side in _SIDES}
    blocked: Block | None = find_block(judgement, results, policy)
    lines: list[Any] = [*judge_thresholds(policy["thresholds"], metrics["left"], metrics["right"])]
    lines = [{**line, **_find_other_boundary(line["metric"], results)} for line in lines]
    if blocked is not None:
        lines = [{**make_line(entry), "reason": blocked["message"]} for entry in policy["thresholds"]]
    outcome = conclude_thresholds(lines, blocked, judgement["mode"])
    edgeenv: Json | None = None
    lab: Json | None = None
    countable = all(result["status"] == "ok" for result in results.values())
    if policy["vocabulary"] == "edgeenv" and countable:
        runs = [f"{'/'.join(report[side][k] for k in ('model', 'preset', 'device', 'precision'))}"
                f"@{report['digests'][f'{side}_result'][:12]}" for side in _SIDES]  # fmt: skip
        told = (
            outcome
            if outcome["mode"] != "incomplete"
            else conclude_thresholds(select_known(lines), None, judgement["mode"])
        )
        edgeenv = describe_regression(runs, judgement, told, lines, (metrics["left"], metrics["right"]))
    if policy["vocabulary"] == "lab":
        lab = _describe_in_lab_words(judgement, results, parities, lines, policy)
    return {
        **outcome,
        "thresholds": lines,
        "notes": [] if blocked else [AT_TWO_TIMES, *_note_changes(results)],
        "edgeenv": edgeenv,
        "lab": lab,
    }


def _find_other_boundary(metric: str, results: Mapping[str, Json]) -> Json:
    """Return that a threshold's line is unknown because both figures are of different things; {} if they are not."""
    if metric not in _WATCHED:
        return {}
    left, right = (read_resources(results[side]) for side in _SIDES)
    for line in compare_resources(left, right, {"left": 1, "right": 1}):
        if line["quantity"] == metric and line["verdict"] == "not-comparable":
            return {"delta_pct": None, "status": "unknown", "reason": line["reason"]}
    return {}


def _note_changes(results: Mapping[str, Json]) -> list[str]:
    """Return which sessions of the two results changed their speed on the way."""
    changed = (say_changed_sessions(side, list_changed_sessions(results[side])) for side in _SIDES)
    return list(itertools.chain(*changed))


def read_metrics(result: Json) -> Metrics:
    """Return the figures of a result by which a regression is judged with the method `points`.

    `latency_mean_ms`: the mean over all samples; `latency_p95_ms`, `latency_p99_ms`: None below the floor;
    `throughput_per_s`; `memory_peak_bytes`; what samplers watched. All None unless the result is ok: figures of a
    throttled run do not count.
    """
    if result["status"] != "ok":
        figures = ("latency_mean_ms", *_PERCENTILES, "throughput_per_s", "memory_peak_bytes", *_WATCHED)
        return dict.fromkeys(figures)
    counts = [process["samples"] for process in result["processes"]]
    total = sum(process["mean_ms"] * count for process, count in zip(result["processes"], counts, strict=True))
    return {
        "latency_mean_ms": total / sum(counts),
        **{name: result["percentiles"][key]["value_ms"] for name, key in _PERCENTILES.items()},
        "throughput_per_s": result["throughput_per_s"],
        "memory_peak_bytes": result["memory_peak_bytes"],
        **{name: result[part][key] for name, (part, key) in _WATCHED.items()},
    }


def _describe_in_lab_words(
    judgement: Judgement,
    results: Mapping[str, Json],
    parities: Mapping[str, Json],
    lines: Sequence[ThresholdLine],
    policy: Json,
) -> Json:
    """Return Lab's {comparison, overall, tradeoff_risk, accuracy}; None for what the evidence does not show."""
    cross = results["left"]["cell"]["precision"] != results["right"]["cell"]["precision"]
    accuracy = compare_accuracy(parities)
    overall, risk = None, None
    if judgement["verdict"] in ("no", "waived"):
        if any(reason["field"] == "input_shape" for reason in judgement["reasons"]):
            overall = "mismatch"
    else:
        limit = min(abs(entry["threshold_pct"]) for entry in policy["thresholds"])
        direction = name_direction([line["delta_pct"] for line in lines], limit)
        overall = name_overall(direction, cross)
        difference = accuracy["difference_pp"] if accuracy else None
        risk = name_tradeoff_risk(direction, cross, difference, policy["accuracy_bands"])
    return {
        "comparison": "cross_precision" if cross else "same_precision",
        "overall": overall,
        "tradeoff_risk": risk,
        "accuracy": accuracy,
    }


def _provenance(report: Json, results: Mapping[str, Json], policy: Json) -> str:
    """Return `simulated` if anything that was judged is simulated, else `measured`."""
    kinds = [result["provenance"] for result in results.values()]
    if policy["method"] == "paired":
        kinds.append(report["provenance"])
    return "simulated" if "simulated" in kinds else "measured"
