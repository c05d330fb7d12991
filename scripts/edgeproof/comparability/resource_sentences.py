"""What a comparison's report says of power, energy, temperature and memory, in sentences."""

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import SPACE, first_up, format_bytes, format_fixed, format_number, format_signed

_NAMES = {
    "energy_j": "energy per inference",
    "net_energy_j": "energy per inference beyond idling",
    "power_mean_w": "mean power",
    "power_peak_w": "peak power",
    "temperature_peak_c": "peak temperature",
    "memory_mean_bytes": "mean memory of the process",
    "memory_peak_bytes": "peak memory of the process",
}
_VERDICTS = {
    "lower": "the right side is lower",
    "higher": "the right side is higher",
    "undecided": "undecided",
    "shown": "readings, without an interval",
}


def describe_resources(report: Json) -> list[str]:
    """Return a sentence per quantity that a side of a comparison's report has; none without samplers."""
    lines = [_describe(line) for line in report["resources"]]
    return [*lines, "These figures are from two runs at two times."] if lines else []


def _describe(line: Json) -> str:
    name = first_up(_NAMES[line["quantity"]])
    if line["verdict"] == "not-comparable":
        return f"{name} is not comparable: {line['reason']}."
    if line["verdict"] == "unknown":
        return f"{name} is unknown: {line['reason']}."
    left, right = (_show(line["quantity"], line[side]) for side in ("left", "right"))
    change = ""
    if line["delta_pct"] is not None and line["quantity"] != "temperature_peak_c":
        change = f" ({format_signed(line['delta_pct'], 1)}{SPACE}%"
        if line["low_pct"] is not None:
            change += f"; {format_signed(line['low_pct'], 1)} to {format_signed(line['high_pct'], 1)}{SPACE}%"
        change += ")"
    return f"{name}, {_say_of(line['of']['left'])}: {left} → {right}{change}, {_VERDICTS[line['verdict']]}."


def _say_of(of: Json) -> str:
    words = [of.get("boundary") or of.get("sensor") or ""]
    if of.get("rails"):
        words.append(f"({' + '.join(of['rails'])}{'' if of['kind'] == 'measured' else ', ' + of['kind']})")
    return " ".join(words)


def _show(quantity: str, value: float) -> str:
    if quantity.endswith("_bytes"):
        return str(format_bytes(round(value)))
    if quantity.endswith("_c"):
        return f"{format_fixed(value, 1)}{SPACE}°C"
    if quantity.endswith("_w"):
        return f"{format_number(value)}{SPACE}W"
    return f"{format_number(value * 1e3)}{SPACE}mJ"
