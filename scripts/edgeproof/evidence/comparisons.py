"""The section on comparisons as plain data: a verdict in one sentence, the difference if there is one, and reasons."""

from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.layout import Cell

from .charts import anchor_of
from .collecting import ComparisonEvidence, link_from
from .formatting import (
    DASH,
    SPACE,
    decimals_for,
    first_up,
    format_fixed,
    format_limit,
    format_percent,
    format_range,
    format_signed,
    plural,
    shorten_digest,
)
from .judgements import describe_decision, describe_regression

_STATES = {
    "faster": "faster",
    "slower": "slower",
    "equivalent": "equivalent",
    "undecided": "undecided",
    "unstable": "unstable",
    "not-comparable": "refused",
}
_NAMED = 4  # names in one sentence
_COMPARABLE = {"yes": "comparable", "conditional": "conditionally comparable", "no": "not comparable"}


def describe_comparisons(comparisons: list[ComparisonEvidence], page: FilePath) -> list[Json]:
    """Return one dict per comparison; links start from the folder of `page`. `effect` is None without a difference."""
    return [_describe(item, page) for item in comparisons]


def describe_correction(comparisons: list[ComparisonEvidence]) -> str:
    """Return one sentence on the correction for many comparisons, empty with fewer than two."""
    judged = [(item.report, item.judgement) for item in comparisons if item.judgement is not None]
    if len(judged) < 2:
        return ""
    changed = [report["comparison"] for report, judgement in judged if judgement.verdict != report["verdict"]]
    count = plural(len(changed), "verdict")
    names = ": " + ", ".join(changed) if 0 < len(changed) <= _NAMED else ""
    told = f"which left undecided {count} that stood on their own{names}" if changed else "which changed none"
    return f"The verdicts of the {len(judged)} differences on this page are corrected for their number (Holm), {told}."


def name_sides(left: dict[str, str], right: dict[str, str]) -> tuple[str, str]:
    """Return names of both sides: the values of the fields that differ, or "the left side" and "the right side"."""
    fields = [field for field in ("model", "preset", "precision", "device") if left[field] != right[field]]
    if not fields:
        return "the left side", "the right side"
    left_name, right_name = (" · ".join(side[field] for field in fields) for side in (left, right))
    return left_name, right_name


def _describe(item, page):
    report, judgement = item.report, item.judgement
    names = name_sides(report["left"], report["right"])
    verdict = report["verdict"] if judgement is None else judgement.verdict
    effect = _describe_effect(item)
    corrected = verdict if verdict != report["verdict"] else None
    folder = item.paths["report"].rsplit("/", 1)[0]
    return {
        "name": report["comparison"],
        **_entitle(report["comparison"], report["left"], report["right"]),
        "anchor": f"comparison-{report['comparison']}",
        "left": _name_cell(report["left"]),
        "right": _name_cell(report["right"]),
        "left_anchor": anchor_of(_cell(report["left"])),
        "right_anchor": anchor_of(_cell(report["right"])),
        "same": report["left"] == report["right"],
        "state": _STATES[verdict],
        "words": verdict.replace("-", " "),
        "comparable": report["comparable"],
        "comparable_words": _COMPARABLE[report["comparable"]],
        "mode": report["mode"].replace("-", " "),
        "policy": report["policy"],
        "sentence": _say(verdict, names, effect, _name_margin(report)),
        "explanation": _explain(report, judgement, verdict),
        "effect": effect,
        "drawing": None,
        "regression": describe_regression(item.regression, corrected),
        "decision": describe_decision(item.decision, corrected),
        "simulated": report["provenance"] == "simulated",
        "reasons": [_describe_reason(reason) for reason in report["reasons"]],
        "margin": _name_margin(report),
        "pairs": report["pairs"],
        "sessions": len(report["sessions"]),
        "disturbances": list(dict.fromkeys(text for session in report["sessions"] for text in session["disturbances"])),
        "links": [
            {"name": name, "href": link_from(page, f"{folder}/{name}")}
            for name in ("report.json", "verdict.json", "regression.json", "decision.json", "pairs.json", "pairs.csv")
        ],
    }


def _entitle(name, left, right):
    """Return {title, subtitle} of a row. The long name that a table of comparisons makes is replaced by its sides."""
    sides = name_sides(left, right)
    if not name.endswith("-{}-vs-{}".format(*sides)):
        return {"title": name, "subtitle": None}
    common = [left[field] for field in ("model", "preset", "precision", "device") if left[field] == right[field]]
    return {"title": " → ".join(sides), "subtitle": " · ".join(common)}


def _describe_effect(item):
    """Return the difference of a comparison, from its pairs or from two sessions; None if it has none."""
    judgement, sessions = item.judgement, item.report.get("between_sessions")
    if judgement is not None:
        interval = judgement.ratio
        ratio, low, high, confidence = interval.estimate, interval.low, interval.high, interval.confidence
    elif sessions:
        ratio, low, high = sessions["ratio"], sessions["interval_low"], sessions["interval_high"]
        confidence = sessions["confidence"]
    else:
        return None
    decimals = decimals_for(ratio, low, high, digits=4)
    places, delta = max(0, decimals - 2), 100 * (ratio - 1)
    interval_text = delta_interval_text = None
    if low is not None and high is not None:
        interval_text = format_range(low, high, decimals)
        delta_interval_text = f"{format_range(100 * (low - 1), 100 * (high - 1), places, sign=True)}{SPACE}%"
    return {
        "paired": judgement is not None,
        "ratio": ratio,
        "low": low,
        "high": high,
        "margin": item.report["margin"],
        "ratios": item.ratios.tolist(),
        "ratio_text": format_fixed(ratio, decimals),
        "interval_text": interval_text,
        "delta_text": f"{format_signed(delta, places)}{SPACE}%",
        "delta_interval_text": delta_interval_text,
        "amount_text": f"{format_fixed(abs(delta), min(places, decimals_for(delta)))}{SPACE}%",
        "confidence": f"{100 * confidence:.4g}",
    }


def _say(verdict, names, effect, margin):
    left, right = names
    margin = f"±{margin}"
    if verdict == "faster":
        return f"{_start(right)} is faster than {left}: it takes {effect['amount_text']} less time."
    if verdict == "slower":
        return f"{_start(right)} is slower than {left}: it takes {effect['amount_text']} more time."
    if verdict == "equivalent":
        return f"{_start(left)} and {right} are equivalent within {margin}."
    if verdict == "undecided" and effect:
        measured = "pairs" if effect["paired"] else "two sessions"
        return f"Undecided: the {measured} neither show a difference beyond {margin} nor exclude one."
    if verdict == "undecided":
        return "Undecided: the two sides cannot be measured in pairs, so no difference is given."
    if verdict == "unstable":
        return "Unstable: the times cannot be trusted, so no difference is given."
    return "Not comparable: these two results may not be compared, so no difference is given."


def _explain(report, judgement, verdict):
    """Return the lines under a verdict."""
    lines = []
    if judgement is not None and verdict != report["verdict"]:
        lines.append(f"{first_up(judgement.reason)}.")
    elif report["explanation"] and report["comparable"] != "no" and not report.get("between_sessions"):
        text = report["explanation"].replace("between_processes", "between processes")
        lines.append(f"{first_up(text.replace('change_points', 'change points'))}.")
    if judgement is not None and verdict == "undecided" and judgement.further_pairs:
        lines.append(f"About {judgement.further_pairs} further pairs would decide: raise pairs of this comparison.")
    return lines + [_describe_noise(noise) for noise in report.get("noise", ())]


def _describe_noise(noise):
    """Return what the A/A calibration of a device says."""
    effect = format_percent(noise["detectable_effect"] - 1, 2)
    device = ("Simulated device " if noise["provenance"] == "simulated" else "Device ") + noise["device"]
    return (
        f"{device} is {noise['fitness']} for measuring: it detects differences from {effect} on, and "
        f"reports a difference in {format_percent(noise['false_rate'], 2)} of comparisons of an artifact with itself."
    )


def _name_margin(report):
    return format_limit(report["margin"], share=True)


def _describe_reason(reason):
    return {
        "field": reason["field"].replace("_", " "),
        "left": _show(reason["left"]),
        "right": _show(reason["right"]),
        "remedy": reason["remedy"],
    }


def _show(value):
    """Return a field's value as {text, full}: digests are shortened, None becomes "not available"."""
    if value is None:
        return {"text": "not available", "full": None}
    if isinstance(value, bool):
        return {"text": "yes" if value else "no", "full": None}
    if isinstance(value, list):
        shape = all(isinstance(item, int) for item in value)
        return {"text": (SPACE + "×" + SPACE if shape else ", ").join(map(str, value)) or DASH, "full": None}
    text = str(value)
    if len(text) == 64 and all(digit in "0123456789abcdef" for digit in text):
        return {"text": shorten_digest(text), "full": text}
    return {"text": text, "full": None}


def _cell(fields):
    return Cell(*(fields[name] for name in Cell._fields))


def _name_cell(cell):
    return f"{cell['model']} · {cell['preset']} · {cell['precision']} · {cell['device']}"


def _start(name):
    """Capitalise "the left side"; leave names of presets and precisions as they are."""
    return first_up(name) if name.startswith("the ") else name
