"""Three facts that explain a plan: its slowest stage, its fullest device and its most expensive crossing."""

from edgeproof.core.configuration import Json


def explain_plan(plan: Json) -> list[str]:
    """Return three sentences that explain a plan (an entry of `plans` in `plan.json`)."""
    return [_name_slowest(plan), _name_fullest(plan), _name_most_expensive(plan)]


def _name_slowest(plan):
    slowest = max(plan["assignments"], key=lambda row: row["total_latency_ms"])
    line = f"Slowest stage: {slowest['stage_name']} on {slowest['device_name']}, {slowest['total_latency_ms']:.2f} ms"
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
    """Return one phrase that explains what is proved about the first plan."""
    certificate, status = document["certificate"], document["status"]
    if status == "optimal":
        return f"optimal, proved ({certificate['engine']}, {certificate['nodes']} nodes)"
    return f"feasible, at most {certificate['gap']:.6g} above the optimum (bound {certificate['bound']:.6f})"


def explain_empty_document(document: Json) -> str:
    """Return one line that explains a plan document in which there is no plan."""
    if document["status"] == "unknown":
        name = document["pipeline_name"]
        return f"no plan found for {name} within the limit on effort; it is not proved that there is none"
    conflict = document["infeasibility"]["conflict"]
    if conflict == ["links"]:
        return (
            f"no feasible plan for {document['pipeline_name']}: no links connect the devices that its stages can run on"
        )
    minimal = document["infeasibility"]["conflict_minimal"]
    doubt = "" if minimal else "; the limit on effort was reached before it was proved that all of these are needed"
    return f"no feasible plan for {document['pipeline_name']}: no placement keeps {' and '.join(conflict)}{doubt}"


def explain_robustness(found: Json) -> list[str]:
    """Return sentences that explain how robust the plan is (`robustness` of a plan document)."""
    plan, unit = found["plan"], found["regret_unit"]
    lines = [
        f"Best in {plan['probability_best']:.0%} and feasible in {plan['probability_feasible']:.0%}"
        f" of {found['draws']} resamplings"
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
        lines.append(f"Runner-up: {' '.join(other['path'])}, best in {other['probability_best']:.0%}.")
    if found["repeat_next"]:
        again = found["repeat_next"]
        lines.append(
            f"Measure {again['result']} again first ({', '.join(again['numbers'])}): with its value certain,"
            f" the expected regret would be {again['expected_regret_after']:.6f}."
        )
    return lines
