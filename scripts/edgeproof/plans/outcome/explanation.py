"""Three facts that explain a plan: its slowest stage, its fullest device and its most expensive crossing."""

import math

from edgeproof.core.configuration import Json


def explain_path(path: list[str], variants: list[str]) -> list[str]:
    """Return the steps of a placement as the explanation of a plan names them: `device` or `device (variant)`."""
    return [f"{device} ({variant})" if variant else device for device, variant in zip(path, variants, strict=True)]


def explain_relaxation(needed: float | None, reason: str | None, factor: bool = False) -> str:
    """Return the explanation of what a limit would need, rounded up, so that it is sufficient as printed."""
    if needed is None:
        return reason or ""
    places = 6 if factor else max(0, 5 - math.floor(math.log10(abs(needed)))) if needed else 0
    shown = f"{math.ceil(needed * 10**places - 1e-9) / 10**places:.{places}f}"
    if not factor and "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    words = f"× {shown}" if factor else f"would need {shown}"
    return f"{words} ({reason})" if reason else words


def explain_plan(plan: Json) -> list[str]:
    """Return the explanation of a plan (an entry of `plans` in `plan.json`): three sentences."""
    return [_name_slowest(plan), _name_fullest(plan), _name_most_expensive(plan)]


def _name_slowest(plan):
    slowest = max(plan["assignments"], key=lambda row: row["total_latency_ms"])
    place = explain_path([slowest["device_name"]], [slowest["variant"]])[0]
    line = f"Slowest stage: {slowest['stage_name']} on {place}, {slowest['total_latency_ms']:.2f} ms"
    if slowest["transfer_latency_ms"]:
        line += f", of which {slowest['transfer_latency_ms']:.2f} ms crossing"
    return line + "."


def _name_fullest(plan):
    fullest = max(plan["memory"], key=lambda row: row["used_mb"] / row["budget_mb"])
    share = 100 * fullest["used_mb"] / fullest["budget_mb"]
    return (
        f"Fullest device: {fullest['device_name']}, {share:.0f} % of its memory"
        f" ({fullest['used_mb']:g} of {fullest['budget_mb']:g} MB)."
    )


def _name_most_expensive(plan):
    if not plan["transfers"]:
        return "No crossing: everything stays on one device."
    costliest = max(plan["transfers"], key=lambda row: row["latency_ms"])
    count = len(plan["transfers"])
    if costliest["latency_ms"] == 0:
        return f"Crossings: {count}, none of them takes time."
    source = costliest["source_stage"] or "the input"
    target = costliest["target_stage"] or "the output"
    return (
        f"Most expensive crossing: {source} to {target}, {costliest['source_device']} → {costliest['target_device']},"
        f" {costliest['latency_ms']:.2f} ms of {count} crossing{'s' * (count > 1)}."
    )


def explain_proof(document: Json) -> str:
    """Return the phrase in a plan's explanation on what is proved about the first plan."""
    certificate, status = document["certificate"], document["status"]
    if status == "optimal":
        return f"optimal, proved ({certificate['engine']}, {certificate['nodes']} nodes)"
    if status != "gap":
        return f"{status}: {certificate['engine']} proves it, and nothing else does ({certificate['nodes']} nodes)"
    return f"feasible, at most {certificate['gap']:.6g} above the optimum (bound {certificate['bound']:.6f})"


def explain_flip_points(document: Json) -> list[str]:
    """Return the explanation's sentences on what would change the plan; none where that was not computed."""
    lines = []
    for point in document["flip_points"] or ():
        moved = point["flips_at_ms"] / point["value_ms"] - 1 if point["value_ms"] else 0.0
        becomes = "no placement is left"
        if point["path"] is not None:
            becomes = f"{' '.join(explain_path(point['path'], point['variants']))} is as good"
        lines.append(
            f"{point['number']} {point['value_ms']:.4g}: at {point['flips_at_ms']:.4g} ({moved:+.1%}) {becomes}."
        )
    return lines


def explain_distance_from_front(document: Json) -> list[str]:
    """Return the explanation's sentences on the ranked plans: by what each is beaten; none without fronts."""
    front = document["pareto"] and document["pareto"]["with_caps"]
    if not front:
        return []
    lines, keys = [], {"latency_ms": "total_latency_ms", "energy_mj": "total_energy_mj"}
    for plan in document["plans"]:
        own = [plan[keys.get(axis, axis)] for axis in front["axes"]]
        for point in front["points"]:
            pairs = list(zip(point["values"], own, strict=True))
            if all(a <= b + 1e-9 for a, b in pairs) and any(a < b - 1e-9 for a, b in pairs):
                told = ", ".join(
                    f"{axis} {a:.4f} against {b:.4f}" for axis, (a, b) in zip(front["axes"], pairs, strict=True)
                )
                steps = " → ".join(explain_path(point["paths"][0]["path"], point["paths"][0]["variants"]))
                lines.append(f"Plan {plan['rank']} is off the front: {steps} is no worse in anything ({told}).")
                break
    return lines


def explain_empty_document(document: Json) -> str:
    """Return the explanation, in one line, of a plan document in which there is no plan."""
    if document["status"] == "unknown":
        name = document["pipeline_name"]
        return f"no plan found for {name} within the limit on effort; it is not proved that there is none"
    conflict = document["infeasibility"]["conflict"]
    if conflict == ["links"]:
        return (
            f"no feasible plan for {document['pipeline_name']}: no links connect the devices that its stages can run on"
        )
    doubt = ""
    if not document["infeasibility"]["conflict_minimal"]:
        doubt = "; the limit on effort was reached before it was proved that all of these are needed"
        if document["scenario"]["execution"] == "scheduled":
            doubt = f"; this conflict rests on one engine ({document['status']})"
    return f"no feasible plan for {document['pipeline_name']}: no placement keeps {' and '.join(conflict)}{doubt}"


def explain_robustness(found: Json) -> list[str]:
    """Return the explanation's sentences on how robust the plan is (`robustness` of a plan document)."""
    plan, unit = found["plan"], found["regret_unit"]
    lines = [
        f"Best in {plan['probability_best']:.0%} ({_span(plan['probability_best_interval'])}) and feasible in"
        f" {plan['probability_feasible']:.0%} ({_span(plan['probability_feasible_interval'])})"
        f" of {found['draws']} resamplings"
        + (f", stages off by up to {found['stage_error']:.0%}" if found["stage_error"] else "")
        + (
            f"; expected regret {plan['expected_regret']:.6f}, worst {plan['worst_regret']:.6f} ({unit})."
            if plan["expected_regret"] is not None
            else "."
        )
    ]
    quantiles = found["latency_ms_quantiles"]
    lines.append(
        f"Latency {quantiles['p50']:.4f} ms, 90 % of resamplings within"
        f" {quantiles['p5']:.4f} to {quantiles['p95']:.4f} ms."
    )
    if found["runner_up"]:
        other = found["runner_up"]
        path = " ".join(explain_path(other["path"], other["variants"]))
        share = f"{other['probability_best']:.0%} ({_span(other['probability_best_interval'])})"
        lines.append(f"Runner-up: {path}, best in {share}.")
    if found["repeat_next"]:
        again = found["repeat_next"]
        lines.append(
            f"Measure {again['result']} again first ({', '.join(again['numbers'])}): with its value certain,"
            f" the expected regret would be {again['expected_regret_after']:.6f}."
        )
    return lines


def _span(interval):
    return f"{interval[0]:.0%} to {interval[1]:.0%}"
