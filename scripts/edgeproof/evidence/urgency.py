"""Which verdicts are told first: what fails a gate, then differences, the largest first, then what is open."""

import math
from collections.abc import Collection

from edgeproof.core.configuration import Json

_ORDER = ("failed", "slower", "faster", "undecided", "waived", "not-comparable", "equivalent")


def rank_verdict(report: Json, failing: Collection[str] = ()) -> tuple[bool, int, float]:
    """Return a verdict's urgency, by which comparisons are sorted, the most urgent first.

    `failing`: comparisons that shut the gate.
    """
    effect = report["effect"] or report["between_sessions"]
    size = abs(math.log(effect["ratio"])) if effect else 0.0
    return report["comparison"] not in failing, _ORDER.index(report["verdict"]), -size
