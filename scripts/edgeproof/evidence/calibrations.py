"""The section on calibrations as plain data: what a comparison of each calibrated cell costs, and its A/A pairs."""

import math

import numpy as np

from edgeproof.comparability.sentences import choose_effect, describe_cost
from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.formatting import (
    SPACE,
    format_fixed,
    format_limit,
    format_number,
    format_percent,
    format_signed,
    plural,
)
from edgeproof.core.layout import Cell
from edgeproof.runs.drift_records import say_changes

from .charts import draw_sessions, label_of
from .collecting import CalibrationEvidence, link_from
from .drift_charts import DriftOfSession, draw_drift, format_started


def describe_calibrations(calibrations: list[CalibrationEvidence], page: FilePath) -> list[Json]:
    """Return the section on calibrations, one dict per calibrated cell with its drawing.

    Links are relative to the folder of `page`.
    """
    return [_describe(item, page) for item in calibrations]


def summarise_calibration(noise: Json) -> str:
    """Return what a calibration says in one sentence: how much a pair varies, and what a verdict costs."""
    if noise["failure"]:
        return f"not calibrated: {noise['failure']['message']}"
    varies = "one pair does not say how much pairs vary"
    if noise["log_sd"] is not None:
        varies = f"a pair varies by {format_percent(math.expm1(noise['log_sd']), 2)}"
    asked = choose_effect(noise, noise["margin"])
    if asked is None:
        return varies
    cost = describe_cost(noise, asked, noise["margin"])
    return f"{varies}; a difference of {format_limit(asked, share=True)} takes {cost}"


def _describe(item, page):
    noise = item.noise
    folder = item.path.rsplit("/", 1)[0]
    cell = Cell(**noise["cell"])
    ratios = [ratios for ratios in item.ratios if len(ratios)]
    sessions = [
        _describe_session(*pair) for pair in zip((s for s in noise["sessions"] if s["pairs"]), ratios, strict=True)
    ]
    dependence = noise["dependence"]
    return {
        "title": f"{cell.model} · {label_of(cell)}",
        "anchor": f"calibration-{'-'.join(cell)}",
        "simulated": noise["provenance"] == "simulated",
        "facts": [_describe_failure(noise["failure"])]
        if noise["failure"]
        else [
            {
                "name": "Spread of one pair",
                "text": None if noise["log_sd"] is None else format_percent(math.expm1(noise["log_sd"]), 2),
                "more": f"standard deviation of the ratio, {plural(noise['pairs'], 'pair')}",
            },
            {
                "name": "Time of one pair",
                "text": f"{format_number(noise['seconds_per_pair'], 2)}{SPACE}s",
                "more": "both processes, from start to end",
            },
            {
                "name": "Correlation of neighbouring pairs",
                "text": format_fixed(dependence["correlation"], 2),
                "more": "assumed, for want of pairs"
                if dependence["source"] == "default"
                else f"not exceeded, by {plural(dependence['pairs'], 'pair')} in "
                f"{plural(dependence['sequences'], 'session')}",
            },
            {
                "name": "Calls itself different",
                "text": format_percent(noise["false_rate"], 2),
                "more": f"of comparisons drawn from these pairs, margin ±{format_limit(noise['margin'], share=True)}",
            },
        ],
        "expected": [
            {
                "effect": format_limit(entry["effect"], share=True),
                "cost": describe_cost(noise, entry["effect"], noise["margin"]),
            }
            for entry in noise["expected"]
        ],
        "drawing": draw_sessions(ratios, noise["margin"]),
        "drift": draw_drift(
            [
                DriftOfSession(f"Session {number}", format_started(session["started_at"]), session["drift"])
                for number, session in enumerate(noise["sessions"], 1)
                if session["drift"]
            ]
        ),
        "sessions": sessions,
        "margin": format_limit(noise["margin"], share=True),
        "links": [{"name": name, "href": link_from(page, f"{folder}/{name}")} for name in ("noise.json", "pairs.csv")],
    }


def _describe_failure(failure):
    return {"name": "Not calibrated", "text": failure["kind"].replace("_", " "), "more": failure["message"]}


def _describe_session(session, ratios):
    middle = 100 * (float(np.exp(np.log(ratios).mean())) - 1)
    return {
        "started": format_started(session["started_at"]),
        "pairs": plural(len(ratios), "pair"),
        "middle": f"{format_signed(middle, 2)}{SPACE}%",
        "disturbances": [*filter(None, [session["throttled"]]), *say_changes(session["drift"])],
    }
