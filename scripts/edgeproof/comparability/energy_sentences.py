"""What a comparison's report says of the energy per inference of its pairs, in sentences."""

import math

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import (
    DASH,
    SPACE,
    decimals_for,
    format_fixed,
    format_limit,
    format_number,
    format_percent,
    plural,
)

from .verdict_texts import REASONS

_HOW = {"blocks": "by blocks", "processes": "by whole processes"}


def describe_energy(report: Json) -> list[str]:
    """Return the verdict on energy in a sentence, then what it rests on; nothing where it was not asked for."""
    energy = report.get("energy")
    if energy is None:
        return []
    if energy["effect"] is None:
        return [f"Energy per inference is unknown: {energy['explanation']}."]
    of = f"of the {energy['boundary']} ({' + '.join(energy['rails'])}{_name_kind(energy)})"
    how = " and ".join(_HOW[mode] for mode in energy["interleaving"])
    joules = " → ".join(f"{format_number(1e3 * energy[f'{side}_j'])}{SPACE}mJ" for side in ("left", "right"))
    lines = [
        f"Energy per {report['per'] if report['per'] == 'item' else 'inference'}, {of}: {joules}, "
        f"{_describe_ratio(report, energy)}."
    ]
    errors = ", ".join(f"{format_percent(energy[f'{side}_error'], 2)} {side}" for side in ("left", "right"))
    lines.append(
        f"Energy is from the same pairs as the times, {how}, idle power included, by {energy['sampler']}; its error "
        f"budgets ({errors}) are part of the interval."
    )
    if energy["left_out"]:
        lines.append(f"{plural(energy['left_out'], 'pair')} without a record of the samplers are not in it.")
    if energy["reason"]:
        lines.append(f"Energy is undecided: {REASONS[energy['reason']]}")
    return lines


def _name_kind(energy: Json) -> str:
    return "" if energy["kind"] == "measured" else f", {energy['kind']}"


def _describe_ratio(report: Json, energy: Json) -> str:
    effect = energy["effect"]
    ratio, low, high = effect["ratio"], effect["interval_low"], effect["interval_high"]
    if low is None or high is None:
        return f"right / left {format_number(ratio)} without an interval"
    verdict = energy["verdict"]
    margin = format_limit(report["design"]["margin"], share=True)
    if verdict == "equivalent":
        low, high = effect["equivalence_low"], effect["equivalence_high"]
    near = 3 if abs(math.log(ratio)) < 0.1 else 2
    decimals = max(near, decimals_for(ratio, low, high) - 1)
    span = f"{format_fixed(low, decimals)}{DASH}{format_fixed(high, decimals)}"
    words = {
        "lower": "the right side takes less",
        "higher": "the right side takes more",
        "equivalent": f"equivalent within ±{margin}",
        "undecided": f"undecided, margin ±{margin}",
    }[verdict]
    return f"right / left {format_fixed(ratio, decimals)} ({span}), {words}"
