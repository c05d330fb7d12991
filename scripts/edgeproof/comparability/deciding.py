"""The deployment decision: may the right side of a comparison replace the left?

Every rule that applies names an outcome, and the worst outcome is the decision: `blocked`, `insufficient_evidence`,
`review_required`, `deployable_with_note`, `deployable`. Rules come from criteria, the candidate's run and parity, and
the comparison. Source: InferEdgeLab's decision policy (forge contract, section 10); its guard is our status of run and
parity, its `unknown` our `insufficient_evidence`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from edgeproof.artifacts.records.parity_records import count_limits, describe_parity, is_same_graph
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.reader import read_once, reading_once
from edgeproof.core.recomputing import must_follow
from edgeproof.core.verified import verified_once
from edgeproof.runs.raw_samples import list_processes, path_beside, read_samples

from .criteria import VERDICTS, Criteria, CriterionLine, judge_criteria, read_criteria
from .criterion_terms import Criterion, Quantity
from .lab import BANDS, name_accuracy_band, name_overall, name_tradeoff_risk
from .quantities import RunEvidence, find_in_comparison, find_in_run
from .reading import read_side
from .regression import read_regression
from .side_files import folder_of_artifact, folder_of_run, read_parity
from .verdict_texts import REASONS

POLICY_VERSION = "edgeproof-decision-v1"
OUTCOMES = ("blocked", "insufficient_evidence", "review_required", "deployable_with_note", "deployable")  # worst first
_REFUSED = ("no", "waived")  # comparability verdicts: whatever was measured, no difference is taken
_DIRECTIONS = {"faster": "faster", "slower": "slower", "equivalent": "neutral"}
_OTHER_SYSTEM = ("runtime-comparison", "target-comparison")


class Rule(TypedDict):
    """A rule that applies: its name, the outcome that it asks for, and why, in words."""

    rule: str
    outcome: str
    message: str


class DecisionLine(CriterionLine):
    """A criterion's line with `decision_if`: the decision for each other verdict of this line alone."""

    decision_if: dict[str, str]
    flips_decision: bool


class AccuracyDifference(TypedDict):
    """A change of accuracy in percentage points, with its paired interval.

    Of the right side against its fp32 source, or against the left side where the two are different models.
    """

    difference_pp: float
    low_pp: float
    high_pp: float
    confidence: float
    count: int


@reading_once()
def decide_deployment(
    report: FilePath, regression: FilePath, result: FilePath, parity: FilePath, criteria: FilePath, output: FilePath
) -> None:
    """Write `decision.json` of a comparison (schema `decision`); all arguments are paths.

    `result`, `parity`: of the right side, the candidate. `criteria`: a file of config/criteria/. UserError if an input
    does not follow from the raw data, or if a criterion has no statistic or no limit.
    """
    document = _build_decision(report, regression, result, parity, Path(criteria).stem, read_criteria(criteria))
    write_json(output, document, "decision")


@read_once
@verified_once("decision")
@reading_once()
def read_decision(path: FilePath) -> Json:
    """Return the deployment decision at `path` after deciding again from its evidence; UserError names what differs."""
    path = Path(path)
    document = read_json(path, "decision")
    criteria = read_criteria(f"config/criteria/{document['criteria']}.yaml")
    cell = document["candidate"]
    paths = (f"{folder_of_run(cell)}/result.json", f"{folder_of_artifact(cell)}/parity.json")
    report, regression = path.with_name("report.json"), path.with_name("regression.json")
    again = _build_decision(report, regression, *paths, document["criteria"], criteria)
    must_follow(document, again, "", path, "criteria and evidence")
    return document


def _build_decision(
    report_path: FilePath,
    regression_path: FilePath,
    result_path: FilePath,
    parity_path: FilePath,
    name: str,
    criteria: Criteria,
) -> Json:
    """Return the decision document; `name`: of the criteria's file."""
    regression = read_regression(regression_path)  # the report and both results are recomputed with it
    report = read_json(report_path, "comparison")
    if regression["digests"]["report"] != sha256_file(report_path):
        raise UserError(f"{regression_path}: is not about {report_path}; run the workflow again")
    result = read_side(report, "right", result_path)
    parity = read_parity(result, parity_path)
    samples = list_processes(read_samples(path_beside(result_path))) if result["latency"] is not None else []
    evidence = RunEvidence(result, samples, parity)

    two_models = _compares_models(report)

    def find(criterion: Criterion) -> Quantity:
        of_both = two_models and criterion["metric"] == "accuracy_difference"
        if of_both or criterion["metric"] == "energy_ratio":
            return find_in_comparison(criterion, report)
        return find_in_run(criterion, evidence, criteria["accept_trivial_parity"])

    lines = judge_criteria(criteria, find)
    known = [*rules_of_candidate(result, parity), *rules_of_comparison(report, regression, criteria["accept"])]
    if two_models:
        difference = _take_accuracy(report["accuracy"])
        known += _rules_of_models(report["accuracy"])
    else:
        difference = _find_accuracy(parity, criteria["accept_trivial_parity"])
    cross = report["left"]["precision"] != report["right"]["precision"]
    direction = _DIRECTIONS.get(report["verdict"])
    known += rules_of_accuracy(difference, criteria["accuracy_bands"], direction, cross)
    rules, decision = conclude(lines, known)
    point = difference["difference_pp"] if difference else None
    return {
        "schema": "edgeproof.decision.v2",
        "comparison": report["comparison"],
        "criteria": name,
        "policy_version": POLICY_VERSION,
        "decision": decision,
        "explanation": "; ".join(rule["message"] for rule in rules if rule["outcome"] == decision),
        "candidate": report["right"],
        "baseline": report["left"],
        "guard": name_guard(known),
        "overall": "mismatch" if report["comparable"] in _REFUSED else name_overall(direction, cross),
        "tradeoff_risk": name_tradeoff_risk(direction, cross, point, criteria["accuracy_bands"]),
        "accuracy": difference,
        "regression": {key: regression[key] for key in ("policy", "status", "severity")},
        "rules": rules,
        "lines": show_flips(lines, known, decision),
        "provenance": result["provenance"],
        "digests": {
            "report": sha256_file(report_path),
            "regression": sha256_file(regression_path),
            "result": sha256_file(result_path),
            "parity": sha256_file(parity_path),
        },
    }


def conclude(lines: Sequence[CriterionLine], known: Sequence[Rule]) -> tuple[list[Rule], str]:
    """Return (rules that apply, decision), worst first; `known`: rules that do not come from criteria."""
    rules = [*known, *rules_of_lines(lines)]
    decision = min((rule["outcome"] for rule in rules), key=OUTCOMES.index, default="insufficient_evidence")
    return sorted(rules, key=lambda rule: OUTCOMES.index(rule["outcome"])), decision


def show_flips(lines: Sequence[CriterionLine], known: Sequence[Rule], decision: str) -> list[DecisionLine]:
    """Return a decision's lines: each with the decision that any other verdict of this line alone would give."""
    shown: list[DecisionLine] = []
    for index, line in enumerate(lines):
        outcomes: dict[str, str] = {}
        for verdict in VERDICTS:
            if verdict != line["verdict"]:
                other: CriterionLine = {**line, "verdict": verdict}
                changed = [*lines[:index], other, *lines[index + 1 :]]
                outcomes[verdict] = conclude(changed, known)[1]
        flips = any(outcome != decision for outcome in outcomes.values())
        shown.append({**line, "decision_if": outcomes, "flips_decision": flips})
    return shown


def rules_of_lines(lines: Sequence[CriterionLine]) -> list[Rule]:
    """Return the rules of criteria: a required one blocks if it fails, and leaves the decision open if unknown."""
    rules: list[Rule] = []
    for line in lines:
        figure = "" if line["value"] is None else f" ({line['value']:.6g} {line['unit']}, limit {line['limit']:g})"
        kind = "required" if line["required"] else "optional"
        if line["verdict"] == "fail":
            outcome = "blocked" if line["required"] else "deployable_with_note"
            rules.append(_rule(f"{kind}_criterion_fails", outcome, f"{line['id']} fails{figure}"))
        elif line["verdict"] == "unknown":
            outcome = "insufficient_evidence" if line["required"] else "deployable_with_note"
            rules.append(_rule(f"{kind}_criterion_unknown", outcome, f"{line['id']} is unknown: {line['reason']}"))
    return rules


def rules_of_candidate(result: Json, parity: Json) -> list[Rule]:
    """Return a decision's rules on the candidate: it must run unthrottled and compute what its source does."""
    rules: list[Rule] = []
    status = result["status"]
    if status != "ok":
        outcome = "insufficient_evidence" if status == "throttled" else "blocked"
        message = f"the candidate is {status}: {result['reason']['message']}"
        rules.append(_rule(f"candidate_{status}", outcome, message))
    if parity["status"] != "passed":
        outcome = "blocked" if parity["status"] == "failed" else "insufficient_evidence"
        message = f"parity {parity['status'].replace('_', ' ')}: {parity['reason']['message']}"
        rules.append(_rule(f"parity_{parity['status']}", outcome, message))
    elif (limits := count_limits(parity)).measured < limits.asked and parity["provenance"] == "measured":
        rules.append(_rule("parity_partly_measured", "deployable_with_note", f"parity {describe_parity(parity)}"))
    return rules


def rules_of_comparison(report: Json, regression: Json, accept: Sequence[str] = ("measured",)) -> list[Rule]:
    """Return a decision's rules on the comparison; `accept`: provenances of a difference that count."""
    rules: list[Rule] = []
    verdict = report["verdict"]
    if regression["status"] == "regression":
        message = f"a {regression['severity']} regression by the policy {regression['policy']}"
        rules.append(_rule("regression", "review_required", message))
    if report["comparable"] in _REFUSED:
        fields = ", ".join(reason["field"] for reason in report["reasons"])
        waived = ", which was waived" if report["comparable"] == "waived" else ""
        return [*rules, _rule("mismatch", "review_required", f"the two sides differ in {fields}{waived}")]
    if verdict not in _DIRECTIONS:
        why = report["explanation"] or REASONS.get(report["reason"] or "")
        message = f"the comparison is {verdict}" + (f": {why}" if why else "")
        return [*rules, _rule("no_difference_known", "insufficient_evidence", message)]
    if report["provenance"] not in accept:
        message = f"the difference is {report['provenance']}; the decision accepts {', '.join(accept)} only"
        rules.append(_rule("difference_not_accepted", "insufficient_evidence", message))
    if regression["status"] == "blocked":
        message = f"no regression judgement by {regression['policy']}: {regression['reason']}"
        rules.append(_rule("regression_not_evaluated", "deployable_with_note", message))
    rules.append(
        {
            "faster": _rule("improvement", "deployable", "the right side is faster"),
            "equivalent": _rule("neutral", "deployable_with_note", "both sides are equivalent within the margin"),
            "slower": _rule("slower", "review_required", "the right side is slower"),
        }[verdict]
    )
    if report["mode"] in _OTHER_SYSTEM:
        outcome = "review_required" if verdict == "slower" else "deployable_with_note"
        rules.append(_rule("other_system", outcome, f"the two sides are a {report['mode']}"))
    return rules


def rules_of_accuracy(
    difference: AccuracyDifference | None,
    bands: Mapping[str, float],
    direction: str | None,
    cross_precision: bool,
) -> list[Rule]:
    """Return a decision's rules on the loss of accuracy against the fp32 source, or against the other model.

    The band is that of the observed difference, as in Lab; if the interval reaches a worse band, a note says so.
    """
    if difference is None:
        return []
    rules: list[Rule] = []
    risk = name_tradeoff_risk(direction, cross_precision, difference["difference_pp"], bands)
    band, possible = (name_accuracy_band(pp, bands) for pp in (difference["difference_pp"], difference["low_pp"]))
    if band in BANDS:
        outcome = "deployable_with_note" if band == "caution" else "review_required"
        rules.append(_rule(f"accuracy_{band}", outcome, f"accuracy changes by {difference['difference_pp']:+.2f} pp"))
    if possible != band:
        message = f"a change of accuracy down to {difference['low_pp']:+.2f} pp is not excluded"
        rules.append(_rule(f"accuracy_{possible}_possible", "deployable_with_note", message))
    if risk == "not_beneficial":
        rules.append(_rule("not_beneficial", "review_required", "accuracy is lost and no time is gained"))
    return rules


def _rules_of_models(accuracy: Json) -> list[Rule]:
    """Return a decision's rules on two models whose accuracies cannot be compared: that is never without a note."""
    if accuracy["reason"] is None:
        return []
    message = f"nothing is said about accuracy: {accuracy['reason']}"
    return [_rule("accuracy_not_compared", "deployable_with_note", message)]


def _compares_models(report: Json) -> bool:
    """Tell whether both sides come from different sources, so that each one's parity says nothing of the other."""
    return report["accuracy"] is not None and report["accuracy"]["two_models"]


def _take_accuracy(accuracy: Json) -> AccuracyDifference | None:
    """Return the change of accuracy from one model to the other, None if it is not known."""
    if accuracy["difference"] is None:
        return None
    return {
        "difference_pp": 100 * accuracy["difference"],
        "low_pp": 100 * accuracy["low"],
        "high_pp": 100 * accuracy["high"],
        "confidence": accuracy["confidence"],
        "count": accuracy["count"],
    }


def _find_accuracy(parity: Json, accept_trivial: bool) -> AccuracyDifference | None:
    """Return the change of accuracy against the fp32 source, None if it is not known."""
    accuracy = parity["accuracy"]
    if accuracy is None or (parity["trivial"] and not accept_trivial):
        return None
    return _take_accuracy(accuracy | ({"low": 0.0, "high": 0.0} if is_same_graph(parity) else {}))


def name_guard(rules: Sequence[Rule]) -> str:
    """Return Lab's guard for a deployment decision, from its rules on the candidate's run: `error`, `skipped` or `ok`.

    A limit of parity that has no value leaves a note, and the guard is ok.
    """
    outcomes = {rule["outcome"] for rule in rules if rule["rule"].startswith(("candidate_", "parity_"))}
    outcomes.discard("deployable_with_note")
    return "error" if "blocked" in outcomes else "skipped" if outcomes else "ok"


def _rule(rule: str, outcome: str, message: str) -> Rule:
    return {"rule": rule, "outcome": outcome, "message": message}
