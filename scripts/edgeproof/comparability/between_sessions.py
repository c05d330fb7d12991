"""Compare two results that no session can interleave (two devices) by the spread between sessions."""

import math
from collections.abc import Mapping

from edgeproof.core.configuration import Json
from edgeproof.core.distributions import student_t_quantile

_CONFIDENCE = 0.95


def compare_between_sessions(left: Json, right: Json, noises: Mapping[str, Json], margin: float) -> Json:
    """Return {verdict, explanation, between_sessions} for the headline medians of two results.

    `noises`: {device: noise document}. The variance of the log-ratio is the sum of the session variances of both
    sides, which the A/A calibrations estimate (`between_session_sd`). The interval is Welch's, with Satterthwaite's
    degrees of freedom. Without two calibrated sessions on both devices there is no number. The verdict is never
    `equivalent`, because one session per side is too little for that.
    """
    spreads: list[tuple[float, int]] = []
    for result in (left, right):
        device = result["cell"]["device"]
        noise = noises.get(device)
        if noise is None or not noise["between_session_sd"]:
            missing = f"the spread between sessions on {device} is not known: calibrate it with two sessions or more"
            return {"verdict": "undecided", "explanation": missing, "between_sessions": None}
        spreads.append((noise["between_session_sd"] ** 2, len(noise["sessions"]) - 1))
    difference = math.log(right["latency"]["median_ms"] / left["latency"]["median_ms"])
    variance = sum(spread for spread, _ in spreads)
    freedom = variance**2 / sum(spread**2 / dof for spread, dof in spreads)
    half = student_t_quantile((1 + _CONFIDENCE) / 2, freedom) * math.sqrt(variance)
    low, high, ratio = math.exp(difference - half), math.exp(difference + half), math.exp(difference)
    verdict = "faster" if high < 1 / (1 + margin) else "slower" if low > 1 + margin else "undecided"
    sessions = " and ".join(str(dof + 1) for _, dof in spreads)
    return {
        "verdict": verdict,
        "explanation": (
            f"measured at different times, judged by the spread between sessions ({sessions} A/A sessions): "
            f"ratio right / left {ratio:.3f}, {_CONFIDENCE:.0%} interval {low:.3f} to {high:.3f}"
        ),
        "between_sessions": {
            "ratio": ratio,
            "delta_pct": (ratio - 1) * 100,
            "interval_low": low,
            "interval_high": high,
            "confidence": _CONFIDENCE,
            "degrees_of_freedom": freedom,
        },
    }
