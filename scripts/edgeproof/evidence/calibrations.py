"""The section on calibrations as plain data: the A/A calibration of each device, its pairs drawn by session."""

import math

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.layout import Cell

from .charts import draw_sessions, label_of
from .collecting import CalibrationEvidence, link_from
from .formatting import (
    SPACE,
    first_up,
    format_count,
    format_limit,
    format_percent,
    format_signed,
    format_time,
    plural,
)

_STATES = {"fit": "ok", "limited": "tolerated", "unfit": "failing"}
_SENTENCES = {
    "fit": "Fit: it detects differences as small as the margin",
    "limited": "Limited: the differences it reports hold, but it may miss some that are larger than the margin",
    "unfit": "Unfit: do not rely on comparisons measured on it",
}


def describe_calibrations(calibrations: list[CalibrationEvidence], page: FilePath) -> list[Json]:
    """Return one dict per calibrated device, including its drawing; links are relative to the folder of `page`."""
    return [_describe(item, page) for item in calibrations]


def _describe(item, page):
    noise = item.noise
    folder = item.path.rsplit("/", 1)[0]
    sessions = [_describe_session(*pair) for pair in zip(noise["sessions"], item.ratios, strict=True)]
    spread = noise["between_session_sd"]
    return {
        "device": noise["device"],
        "anchor": f"calibration-{noise['device']}",
        "cell": f"{noise['cell']['model']} · {label_of(Cell(**noise['cell']))}",
        "state": _STATES[noise["fitness"]],
        "words": noise["fitness"],
        "sentence": _SENTENCES[noise["fitness"]],
        "reasons": [first_up(reason) for reason in noise["reasons"]],
        "simulated": noise["provenance"] == "simulated",
        "facts": [
            {
                "name": "Smallest difference it detects",
                "text": format_percent(noise["detectable_effect"] - 1, 2),
                "more": f"with {noise['pairs_per_comparison']} pairs, four times in five",
            },
            {
                "name": "Calls itself different",
                "text": format_percent(noise["false_rate"], 2),
                "more": f"of {format_count(noise['false_rate_resamples'])} comparisons drawn from these pairs, "
                f"margin ±{format_limit(noise['margin'], share=True)}",
            },
            {
                "name": "Spread of one pair",
                "text": format_percent(math.expm1(noise["log_sd"]), 2),
                "more": "standard deviation of the ratio within a session",
            },
            {
                "name": "Spread between sessions",
                "text": None if spread is None else format_percent(math.expm1(spread), 2),
                "more": "one session has none"
                if spread is None
                else f"standard deviation of the times of {plural(len(sessions), 'session')}",
            },
        ],
        "drawing": draw_sessions(item.ratios, noise["margin"]),
        "sessions": sessions,
        "margin": format_limit(noise["margin"], share=True),
        "links": [{"name": name, "href": link_from(page, f"{folder}/{name}")} for name in ("noise.json", "pairs.csv")],
    }


def _describe_session(session, ratios):
    middle = 100 * (float(np.exp(np.log(ratios).mean())) - 1)
    return {
        "started": format_time(session["started_at_unix_s"]),
        "pairs": plural(len(ratios), "pair"),
        "middle": f"{format_signed(middle, 2)}{SPACE}%",
        "disturbances": session["disturbances"],
    }
