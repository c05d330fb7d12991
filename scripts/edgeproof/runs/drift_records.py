"""The drift control of a session: its points as the agent timed them, and the changes of speed found in them."""

from collections.abc import Sequence

from edgeproof.core.change_points import find_changes
from edgeproof.core.configuration import Json
from edgeproof.core.formatting import SPACE, format_fixed, format_percent


def describe_drift(record: Json | None) -> Json | None:
    """Return the agent's record of a drift control with the changes found in it; None where a session had none.

    `record`: {kernel, numpy, points, share, file}. An incomplete point is left out.
    """
    if record is None:
        return None
    points = [point for point in record["points"] if point["complete"]]
    found = find_changes([point["at_s"] for point in points], [point["mean_ns"] for point in points])
    changes = [{"after_s": each.after_s, "before_s": each.before_s, "ratio": each.ratio} for each in found.changes]
    return {**record, "changes": changes, "reason": found.reason}


def say_changes(drift: Json | None) -> list[str]:
    """Return each change in a drift control's record in words: "the machine became 25 % slower after 30 to 33 s"."""
    return [_say_change(change) for change in drift["changes"]] if drift else []


def list_changed_sessions(result: Json) -> list[Json]:
    """Return the drift recorded in a result's sessions (from 1): {session, after_s, before_s, ratio} of each change."""
    return [
        {"session": number, **change}
        for number, session in enumerate(result["sessions"], 1)
        if session["drift"]
        for change in session["drift"]["changes"]
    ]


def say_changed_sessions(side: str, changes: Sequence[Json]) -> list[str]:
    """Return each change of a drift record as a clause with its session: "in session 2 of the left side the …"."""
    return [f"in session {change['session']} of the {side} side {_say_change(change)}" for change in changes]


def _say_change(change: Json) -> str:
    much = format_percent(abs(change["ratio"] - 1), 2)
    way = "slower" if change["ratio"] > 1 else "faster"
    after, before = (format_fixed(change[key], 0) for key in ("after_s", "before_s"))
    when = after if after == before else f"{after} to {before}"
    return f"the machine became {much} {way} after {when}{SPACE}s"
