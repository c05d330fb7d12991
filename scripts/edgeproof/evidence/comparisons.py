"""Comparisons as plain data: the verdict in one sentence, the difference where there may be one, and all reasons."""

from ..core.layout import Cell
from .charts import anchor_of
from .collecting import link_from
from .formatting import (
    DASH,
    SPACE,
    decimals_for,
    format_fixed,
    format_limit,
    format_number,
    format_range,
    format_signed,
    shorten_digest,
)

_STATES = {
    "faster": "faster",
    "slower": "slower",
    "equivalent": "equivalent",
    "undecided": "undecided",
    "unstable": "unstable",
    "not-comparable": "refused",
}
_COMPARABLE = {"yes": "comparable", "conditional": "conditionally comparable", "no": "not comparable"}


def describe_comparisons(comparisons, page):
    """Return one dict per comparison. `effect` is None, and no text names a difference, where none may be given."""
    return [_describe(item, page) for item in comparisons]


def name_sides(left, right):
    """Return what tells two cells apart: the values of the fields that differ, or the same word twice for one cell."""
    fields = [field for field in ("model", "preset", "precision", "device") if left[field] != right[field]]
    if not fields:
        return "the left side", "the right side"
    return tuple(" · ".join(side[field] for field in fields) for side in (left, right))


def _describe(item, page):
    report, judgement = item.report, item.judgement
    names = name_sides(report["left"], report["right"])
    verdict = report["verdict"] if judgement is None else judgement.verdict
    effect = judgement and _describe_effect(item)
    folder = item.paths["report"].rsplit("/", 1)[0]
    return {
        "name": report["comparison"],
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
        "sentence": _say(verdict, names, effect, report["margin"]),
        "explanation": _explain(report, judgement, verdict),
        "effect": effect,
        "drawing": None,
        "simulated": report["provenance"] == "simulated",
        "reasons": [_describe_reason(reason) for reason in report["reasons"]],
        "margin": format_limit(report["margin"], share=True),
        "pairs": report["pairs"],
        "sessions": len(report["sessions"]),
        "disturbances": list(dict.fromkeys(text for session in report["sessions"] for text in session["disturbances"])),
        "links": [
            {"name": name, "href": link_from(page, f"{folder}/{name}")}
            for name in ("report.json", "verdict.json", "pairs.json", "pairs.csv")
        ],
    }


def _describe_effect(item):
    judgement = item.judgement
    ratio = judgement.ratio
    decimals = decimals_for(ratio.estimate, ratio.low, ratio.high, digits=4)
    delta, low, high = (
        None if value is None else 100 * (value - 1) for value in (ratio.estimate, ratio.low, ratio.high)
    )
    places = max(0, decimals - 2)
    known = ratio.low is not None
    return {
        "ratio": ratio.estimate,
        "low": ratio.low,
        "high": ratio.high,
        "margin": judgement.margin,
        "ratios": item.ratios.tolist(),
        "ratio_text": format_fixed(ratio.estimate, decimals),
        "interval_text": format_range(ratio.low, ratio.high, decimals) if known else None,
        "delta_text": f"{format_signed(delta, places)}{SPACE}%",
        "delta_interval_text": f"{format_range(low, high, places, sign=True)}{SPACE}%" if known else None,
        "amount_text": f"{format_fixed(abs(delta), min(places, decimals_for(delta)))}{SPACE}%",
        "confidence": format_number(100 * ratio.confidence, 4).rstrip("0").rstrip("."),
    }


def _say(verdict, names, effect, margin):
    left, right = names
    margin = f"±{format_limit(margin, share=True)}"
    if verdict == "faster":
        return f"{_start(right)} is faster than {left}: it takes {effect['amount_text']} less time."
    if verdict == "slower":
        return f"{_start(right)} is slower than {left}: it takes {effect['amount_text']} more time."
    if verdict == "equivalent":
        return f"{_start(left)} and {right} are equivalent within {margin}."
    if verdict == "undecided" and effect:
        return f"Undecided: the pairs neither show a difference beyond {margin} nor exclude one."
    if verdict == "undecided":
        return "Undecided: no pairs could be measured, so no difference is given."
    if verdict == "unstable":
        return "Unstable: the times cannot be trusted, so no difference is given."
    return "Not comparable: these two results may not be compared, so no difference is given."


def _explain(report, judgement, verdict):
    """Return the lines under a verdict."""
    lines = []
    if judgement is not None and verdict != report["verdict"]:
        lines.append(f"{_first_up(judgement.reason)}.")
    elif report["explanation"] and report["comparable"] != "no":
        text = report["explanation"].replace("between_processes", "between processes")
        lines.append(f"{_first_up(text.replace('change_points', 'change points'))}.")
    if judgement is not None and verdict == "undecided" and judgement.further_pairs:
        lines.append(f"About {judgement.further_pairs} further pairs would decide: raise pairs of this comparison.")
    return lines


def _describe_reason(reason):
    return {
        "field": reason["field"].replace("_", " "),
        "left": _show(reason["left"]),
        "right": _show(reason["right"]),
        "remedy": reason["remedy"],
    }


def _show(value):
    """Return a field's value as {text, full}: digests are shortened, and what is unknown says so."""
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


def _first_up(text):
    return text[:1].upper() + text[1:]


def _start(name):
    """Names of presets and precisions are never capitalised, words are."""
    return _first_up(name) if name.startswith("the ") else name
