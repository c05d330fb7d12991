"""Power, energy, temperature and memory of two runs beside each other, where they are of the same thing.

They come from two runs at two times: their difference holds that of the moments, too. Energy and mean power get a
verdict where the intervals, widened by both error budgets, lie apart.
"""

from collections.abc import Mapping

from edgeproof.core.configuration import Json

# Quantity: where it stands in a result, and which of the result's parts says of what it is.
_QUANTITIES = {
    "energy_j": ("energy", "value_j"),
    "net_energy_j": ("energy", "net_j"),
    "power_mean_w": ("power", "mean_w"),
    "power_peak_w": ("power", "peak_w"),
    "temperature_peak_c": ("temperature", "peak_c"),
    "memory_mean_bytes": ("memory", "mean_bytes"),
    "memory_peak_bytes": ("memory", "peak_bytes"),
}
_SAME = {
    "energy": ("boundary", "rails", "kind"),
    "power": ("boundary", "rails", "kind"),
    "temperature": ("sensor",),
    "memory": ("boundary",),
}
_JUDGED = ("energy_j", "net_energy_j", "power_mean_w")


def read_resources(result: Json) -> Json | None:
    """Return the resources of a result, {quantity: {value, low, high, of, reason}}; None where it has no telemetry.

    `low`, `high`: with the error budget, None for a reading without one. `of`: what it is the figure of, such as the
    boundary and the rails of a power.
    """
    if not any(session["telemetry"] for session in result["sessions"]):
        return None
    found: Json = {}
    for name, (part, key) in _QUANTITIES.items():
        own = result[part]
        value = own[key]
        low, high = _bound(name, result) if value is not None else (None, None)
        of: Json = {field: _say_of(part, field, result) for field in _SAME[part]}
        reason = None if value is not None else own["reason"] or own.get("net_reason")
        found[name] = {"value": value, "low": low, "high": high, "of": of, "reason": reason}
    return found


def compare_resources(left: Json | None, right: Json | None, per_call: Mapping[str, int]) -> list[Json]:
    """Return a line per quantity of the resources that at least one of two runs has.

    A line is {quantity, left, right, delta_pct, low_pct, high_pct, verdict, of, reason}. `per_call`: items of a call on
    each side, by which energies are divided. `verdict`: `lower` or `higher` (the right side), `undecided`, `shown` for
    readings, `not-comparable` where the two are figures of different things, `unknown` where a side has none.
    """
    if left is None and right is None:
        return []
    lines: list[Json] = []
    for name in _QUANTITIES:
        sides = [_scale(side and side[name], name, per_call[key]) for key, side in (("left", left), ("right", right))]
        if any(side is not None for side in sides):
            lines.append(_compare(name, *sides))
    return lines


def _say_of(part: str, field: str, result: Json) -> str | list[str] | None:
    """Return what a figure is of: energy is of what its power is of."""
    return result["power" if part == "energy" else part][field]


def _bound(name: str, result: Json) -> tuple[float | None, float | None]:
    energy = result["energy"]
    if name == "net_energy_j":
        return energy["net_j"] * (1 - energy["net_error"]), energy["net_j"] * (1 + energy["net_error"])
    if name not in _JUDGED:
        return None, None
    error = energy["budget"]["total"]
    if name == "power_mean_w":
        mean = result["power"]["mean_w"]
        return mean * (1 - error), mean * (1 + error)
    low = energy["value_j"] if energy["low_j"] is None else energy["low_j"]
    high = energy["value_j"] if energy["high_j"] is None else energy["high_j"]
    return max(0.0, low * (1 - error)), high * (1 + error)


def _scale(side: Json | None, name: str, items: int) -> Json | None:
    if side is None or items == 1 or not name.endswith("energy_j"):
        return side
    return {**side, **{key: None if side[key] is None else side[key] / items for key in ("value", "low", "high")}}


def _compare(name: str, left: Json | None, right: Json | None) -> Json:
    line: Json = {"quantity": name, "left": left and left["value"], "right": right and right["value"]}
    line |= {"delta_pct": None, "low_pct": None, "high_pct": None, "verdict": "unknown"}
    line |= {"of": {"left": left and left["of"], "right": right and right["of"]}, "reason": None}
    for side, own in (("left", left), ("right", right)):
        if own is None or own["value"] is None:
            return line | {"reason": f"{side}: {own['reason'] if own else 'it was measured without samplers'}"}
    assert left is not None and right is not None
    for field, value in left["of"].items():
        if right["of"][field] != value:
            reason = f"{field} is {_words(value)} on the left and {_words(right['of'][field])} on the right"
            return line | {"verdict": "not-comparable", "reason": reason}
    if left["value"] > 0:
        line["delta_pct"] = 100 * (right["value"] / left["value"] - 1)
    if left["low"] is None or right["low"] is None or left["low"] <= 0:
        return line | {"verdict": "shown"}
    low, high = right["low"] / left["high"], right["high"] / left["low"]
    verdict = "lower" if high < 1 else "higher" if low > 1 else "undecided"
    return line | {"low_pct": 100 * (low - 1), "high_pct": 100 * (high - 1), "verdict": verdict}


def _words(value: str | list[str] | None) -> str:
    return " + ".join(value) if isinstance(value, list) else str(value)
