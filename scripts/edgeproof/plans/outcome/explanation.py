"""Three facts that explain a plan: its slowest stage, its fullest device and its most expensive crossing."""

from edgeproof.core.configuration import Json


def explain_plan(plan: Json) -> list[str]:
    """Return three sentences about a plan (an entry of `plans` in `plan.json`)."""
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
