"""Two runs, side by side, whoever measured them: may they be compared, and how far are their figures apart?

The figures are of two times, so that a difference between them is none between the arms: no interval, no verdict on
which is faster. Comparisons of a campaign have both. Regression policies with the method `points` judge such figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError

from .edgeenv_words import Metrics, delta_pct, describe_regression, view_run
from .field_views import FieldView
from .judging import Judgement, judge_comparability, read_views
from .regression import AT_TWO_TIMES, read_metrics
from .thresholds import conclude_thresholds, find_block, judge_thresholds, make_line, select_known

SIDES = ("left", "right")
_BYTES_PER_MB = 2**20


@dataclass(frozen=True)
class RunSide:
    """One of two runs. `metrics`: what point policies compare. `p50_ms`: EdgeEnv shows it and judges nothing by it.

    `document`: with `status` and `reason`, as results have them; `edgeenv`: whether EdgeEnv measured it.
    """

    name: str
    fields: FieldView
    metrics: Metrics
    p50_ms: float | None
    document: Json
    edgeenv: bool


def view_results(names: Mapping[str, str], results: Mapping[str, Json]) -> dict[str, RunSide]:
    """Return two runs of ours as the sides of a comparison; `names`, `results`: {left, right}."""
    views = read_views(results["left"], results["right"])
    return {
        side: RunSide(names[side], view, read_metrics(results[side]), _find_p50(results[side]), results[side], False)
        for side, view in zip(SIDES, views, strict=True)
    }


def view_edgeenv_run(name: str, run: Json) -> RunSide:
    """Return a run of EdgeEnv as one of two runs side by side; `run`: its `result.json`."""
    found: Json = run["metrics"]
    resources: Json = run.get("resource_metrics") or {}
    peak: float | None = resources.get("memory_peak_mb")
    metrics: Metrics = {
        "latency_mean_ms": found["latency_mean_ms"],
        "latency_p95_ms": found["latency_p95_ms"],
        "latency_p99_ms": found["latency_p99_ms"],
        "throughput_per_s": found["throughput_fps"],
        "memory_peak_bytes": None if peak is None else peak * _BYTES_PER_MB,
    }
    return RunSide(name, view_run(run), metrics, found["latency_p50_ms"], {"status": "ok", "reason": None}, True)


def compare_runs(sides: Mapping[str, RunSide], policy_name: str, policy: Json) -> Json:
    """Return what `report compare` shows of two runs: the judgement, and the deltas where it is `yes`.

    `policy`: a document of config/policies/. A delta is null where a figure is missing or the baseline is 0.
    """
    judgement = _judge(sides, policy)
    deltas: Json | None = None
    if judgement["verdict"] == "yes":
        figures = {side: {**sides[side].metrics, "latency_p50_ms": sides[side].p50_ms} for side in SIDES}
        deltas = {
            name: {
                "baseline": figures["left"][name],
                "candidate": figures["right"][name],
                "delta_pct": delta_pct(figures["left"][name], figures["right"][name]),
            }
            for name in sorted(figures["left"])
        }
    return {
        "left": sides["left"].name,
        "right": sides["right"].name,
        "policy": policy_name,
        "comparable": judgement["verdict"],
        "mode": judgement["mode"],
        "reasons": judgement["reasons"],
        "deltas": deltas,
        "notes": [AT_TWO_TIMES] if deltas else [],
    }


def judge_runs(sides: Mapping[str, RunSide], policy_name: str, policy: Json, comparability: Json) -> Json:
    """Return a regression of two runs by a policy with the method `points`: {status, severity, …, thresholds}.

    `policy`: of config/regressions/. `comparability`: of config/policies/. With the vocabulary `edgeenv` the report has
    EdgeEnv's own under `edgeenv`. UserError for a policy that needs pairs.
    """
    if policy["method"] != "points":
        raise UserError(
            f"config/regressions/{policy_name}.yaml: method is {policy['method']!r}, which needs a comparison of a "
            "campaign; two runs are judged by a policy with the method 'points'"
        )
    judgement = _judge(sides, comparability)
    blocked = find_block(judgement, {side: sides[side].document for side in SIDES}, policy)
    metrics = (sides["left"].metrics, sides["right"].metrics)
    lines: list[Any] = [*judge_thresholds(policy["thresholds"], *metrics)]
    if blocked is not None:
        unknown = [make_line(entry) for entry in policy["thresholds"]]
        lines = [{**line, "reason": blocked["message"]} for line in unknown]
    outcome = conclude_thresholds(lines, blocked, judgement["mode"])
    edgeenv: Json | None = None
    if policy["vocabulary"] == "edgeenv" and all(sides[side].document["status"] == "ok" for side in SIDES):
        names = [sides[side].name for side in SIDES]
        known = select_known(lines)  # EdgeEnv leaves out the others
        told = outcome if outcome["mode"] != "incomplete" else conclude_thresholds(known, None, judgement["mode"])
        edgeenv = describe_regression(names, judgement, told, known, metrics)
    return {
        "baseline": sides["left"].name,
        "candidate": sides["right"].name,
        "policy": policy_name,
        **outcome,
        "thresholds": lines,
        "notes": [] if blocked else [AT_TWO_TIMES],
        "edgeenv": edgeenv,
    }


def _judge(sides: Mapping[str, RunSide], policy: Json) -> Judgement:
    return judge_comparability(sides["left"].fields, sides["right"].fields, policy)


def _find_p50(result: Json) -> float | None:
    return result["percentiles"]["p50"]["value_ms"] if result["status"] == "ok" and result["percentiles"] else None
