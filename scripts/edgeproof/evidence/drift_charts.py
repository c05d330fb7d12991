"""The drift control over time, as plain data: one strip per session, positions in percent of the width and in pixels.

The time of the kernel stands relative to the session's first level, so that a step shows how much the machine changed;
all strips of a drawing share one height scale.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import chain, pairwise
from typing import NamedTuple

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import SPACE, first_up, format_fixed, format_percent, format_time, plural
from edgeproof.runs.drift_records import say_changes

HEIGHT = 40.0  # of a strip, in pixels
MOST_ROWS = 24
_AIR = 5.0
_LEAST_REACH = 0.02  # log of the ratio, so that noise of a quiet machine does not fill the strip


class DriftOfSession(NamedTuple):
    """What is drawn of a session: its name, the words of its start, and its described drift control."""

    name: str
    started: str | None
    drift: Json


def draw_drift(sessions: Sequence[DriftOfSession]) -> Json | None:
    """Return the drift chart of the sessions that have points, {reach, rows, more}; None if there are none.

    Where there are many, those that changed come first, and `more` counts those that are not drawn.

    Row: {name, started, words, state, dots [(x, y)], levels [{x, end, y}], changes [x], description}. `state`: `held`,
    `changed`, or `unknown` where points are too few to tell.
    """
    known = [session for session in sessions if session.drift["points"]]
    if not known:
        return None
    ordered = known if len(known) <= MOST_ROWS else sorted(known, key=lambda session: not session.drift["changes"])
    drawn = ordered[:MOST_ROWS]
    parts = [_split(session.drift) for session in drawn]
    logs = [math.log(point["mean_ns"] / levels[0]) for stretches, levels in parts for point in chain(*stretches)]
    reach = max(_LEAST_REACH, *map(abs, logs))
    rows = [_draw(session, *part, reach) for session, part in zip(drawn, parts, strict=True)]
    return {"reach": format_percent(math.expm1(reach), 2), "rows": rows, "more": len(known) - len(drawn)}


def format_started(started_at: str) -> str | None:
    """Return when a session began, as its strip in a drift chart is labelled, from its attempt's ISO 8601 time."""
    return format_time(datetime.fromisoformat(started_at).timestamp())


def _split(drift):
    """Return (points of each stretch without a change, their levels in ns); incomplete points are left out."""
    points = [point for point in drift["points"] if point["complete"]] or drift["points"]
    ends = [*(change["before_s"] for change in drift["changes"]), math.inf]
    starts = [-math.inf, *ends[:-1]]
    stretches = [
        [point for point in points if start <= point["at_s"] < end] for start, end in zip(starts, ends, strict=True)
    ]
    levels = [math.exp(sum(math.log(point["mean_ns"]) for point in stretch) / len(stretch)) for stretch in stretches]
    return stretches, levels


def _draw(session, stretches, levels, reach):
    points = list(chain(*stretches))
    first, last = points[0]["at_s"], max(points[-1]["at_s"], points[0]["at_s"] + 1e-3)

    def place(at_s):
        return round(2 + 96 * (at_s - first) / (last - first), 2)

    def height(value_ns):
        return round(HEIGHT / 2 - (HEIGHT / 2 - _AIR) * math.log(value_ns / levels[0]) / reach, 1)

    edges = [first, *((a[-1]["at_s"] + b[0]["at_s"]) / 2 for a, b in pairwise(stretches)), last]
    words = say_changes(session.drift)
    unknown = session.drift["reason"]
    said = "; ".join(words) if words else unknown or "held its speed"
    return {
        "name": session.name,
        "started": session.started,
        "state": "changed" if words else "unknown" if unknown else "held",
        "words": first_up(said),
        "length": f"{format_fixed(last, 0)}{SPACE}s",
        "dots": [(place(point["at_s"]), height(point["mean_ns"])) for point in points],
        "levels": [
            {"x": place(start), "end": place(end), "y": height(level)}
            for (start, end), level in zip(pairwise(edges), levels, strict=True)
        ],
        "changes": [place(edge) for edge in edges[1:-1]],
        "description": f"{plural(len(points), 'point')} over {format_fixed(last, 0)} seconds: {said}.",
    }
