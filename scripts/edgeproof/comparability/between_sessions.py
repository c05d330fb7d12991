"""Two results that no session can interleave, such as those of two devices: judged over means of whole sessions."""

from collections.abc import Sequence
from datetime import UTC, datetime

from edgeproof.core.configuration import Json
from edgeproof.core.layout import Cell
from edgeproof.core.two_devices import DeviceSessions, compare_devices
from edgeproof.runs.drift_records import list_changed_sessions


def compare_between_sessions(
    left: Json, right: Json, margin: float, comparisons: int, per_call: Sequence[int] = (1, 1)
) -> Json:
    """Compare two results between their sessions: {verdict, reason, explanation, between_sessions}.

    The unit is the session: all of each result. With fewer than three on a device, or all on one day, both numbers are
    given and no verdict, and `explanation` has the command that adds a session. `per_call`: the
    items of a call of each, by which its latency is divided.
    """
    sides = [_sessions_of(result, count) for result, count in zip((left, right), per_call, strict=True)]
    found = compare_devices(sides[0], sides[1], margin, comparisons)
    counts = [len(side.means) for side in sides]
    explanation = None
    missing = [(side, count) for side, count in zip((left, right), found.missing, strict=True) if count]
    if missing:
        cells = [("/".join(side["cell"][key] for key in Cell._fields), count) for side, count in missing]
        needed = " and ".join(f"{count} more of {cell}" for cell, count in cells)
        explanation = (
            f"a verdict needs three sessions on two days of each device: {needed}; "
            f"`edgeproof runs again {' '.join(cell for cell, _ in cells)}` adds one, on another day"
        )
    return {
        "verdict": found.verdict,
        "reason": found.reason,
        "explanation": explanation,
        "between_sessions": {
            "left_ms": found.left,
            "right_ms": found.right,
            "ratio": found.ratio.estimate,
            "delta_pct": (found.ratio.estimate - 1) * 100,
            "interval_low": found.ratio.low,
            "interval_high": found.ratio.high,
            "confidence": found.ratio.confidence,
            "degrees_of_freedom": found.degrees_of_freedom,
            "left_sessions": counts[0],
            "right_sessions": counts[1],
            "left_changes": list_changed_sessions(left),
            "right_changes": list_changed_sessions(right),
        },
    }


def _sessions_of(result: Json, items: int) -> DeviceSessions:
    """Return the sessions of a result: the latency of each for one of so many items, in ms, and its day (UTC)."""
    days = [datetime.fromtimestamp(session["started_at_unix_s"], UTC).date() for session in result["sessions"]]
    means = tuple(session["latency"]["median_ms"] / items for session in result["sessions"])
    return DeviceSessions(means, tuple(day.isoformat() for day in days))
