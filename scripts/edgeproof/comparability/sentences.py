"""What a comparison's report says, in sentences: the same ones on the page, in `report.md` and in the terminal.

Numbers have narrow spaces before their units; `core.formatting.plain` makes ordinary ones of them.
"""

import math
from collections.abc import Mapping, Sequence

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import (
    DASH,
    SPACE,
    decimals_for,
    first_up,
    format_fixed,
    format_limit,
    format_number,
    format_percent,
    format_signed,
    plural,
)
from edgeproof.runs.drift_records import say_changed_sessions

from .field_views import VARIES, name_study
from .verdict_texts import INTERLEAVING, REASONS, REMEDIES

_NEAR = 0.1  # log of the ratio
_COMPARABLE = {"yes": "comparable", "no": "not comparable", "waived": "not comparable, waived"}
_SIDE_FIELDS = ("model", "preset", "precision", "device")


def name_sides(left: Mapping[str, str], right: Mapping[str, str]) -> tuple[str, str]:
    """Return both sides' names in sentences: the fields that differ; ("itself", "the same artifact") if none do."""
    fields = [field for field in _SIDE_FIELDS if left[field] != right[field]]
    if not fields:
        return "itself", "the same artifact"
    left_name, right_name = (" · ".join(side[field] for field in fields) for side in (left, right))
    return left_name, right_name


def describe_verdict(report: Json) -> str:
    """Return a comparison's first sentence: verdict, ratio, interval, cost; no number if there is no difference.

    Where the two cells measured alone say something else, a second sentence says what.
    """
    return " ".join(filter(None, (_describe_difference(report), _describe_alone(report))))


def _describe_difference(report: Json) -> str:
    if report["verdict"] == "waived":
        why = "; ".join(f"{name.replace('_', ' ')}: {reason}" for name, reason in report["waived"]["fields"].items())
        measured = report | {"verdict": report["waived"]["measured"]}
        return f"Waived, they may not be compared ({why}). {_describe_difference(measured)}"
    left, right = _name_arms(report)
    verdict, effect = report["verdict"], report["effect"] or report["between_sessions"]
    if report["comparable"] == "no":
        fields = ", ".join(reason["field"].replace("_", " ") for reason in report["reasons"])
        return f"Not comparable: {left} and {right} differ in {fields}."
    if verdict in ("failed", "not-comparable") or effect is None:
        return _end(f"{_START[verdict]}: {report['explanation'] or 'nothing was measured'}")
    cost, per = _name_cost(report), " per item" if report["per"] == "item" else ""
    if effect["interval_low"] is None:
        ratio = format_number(effect["ratio"])
        return f"{_START[verdict]}: {right} took {ratio} times as long{per} as {left}, without an interval, {cost}."
    low, ratio, high = effect["interval_low"], effect["ratio"], effect["interval_high"]
    margin, level = format_limit(report["design"]["margin"], share=True), _name_level(effect["confidence"])
    if verdict == "faster":
        times = _name_ratio(1 / high, 1 / ratio, 1 / low, f"as fast{per} as {left}", level)
        return _end(f"{_start(right)} is {times}, {cost}")
    if verdict == "slower":
        return _end(f"{_start(right)} takes {_name_ratio(low, ratio, high, f'as long{per} as {left}', level)}, {cost}")
    if verdict == "equivalent":
        if report["effect"]:
            low, high = effect["equivalence_low"], effect["equivalence_high"]
            level = _name_level(effect["equivalence_confidence"])
        takes = _name_ratio(low, ratio, high, f"the time{per}", level)
        return _end(f"{_start(right)} is equivalent to {left} within ±{margin}: {takes}, {cost}")
    takes = _name_ratio(low, ratio, high, f"as long{per} as {left}", level)
    return _end(f"Undecided: {right} takes {takes}, margin ±{margin}, {cost}")


def describe_comparable(report: Json) -> str:
    """Return a sentence on whether a comparison's sides are comparable: "comparable; precision is what you study"."""
    if report["comparable"] != "conditional":
        return _COMPARABLE[report["comparable"]]
    studied = [name_study(reason["field"]) for reason in report["reasons"]]
    study = report["mode"].removesuffix("-comparison").replace("-", "_")
    names = [name for name in dict.fromkeys(studied) if name in VARIES and name != study]
    words = [name.replace("_", " ") for name in (study, *names)]
    *first, last = words
    told = f"{', '.join(first)} and {last} are" if first else f"{last} is"
    return f"comparable; {told} what you study"


def describe_estimate(left: str, right: str, line: Json) -> str:
    """Return a comparison's sentence while its pairs are measured. `line`: of a session's `estimates.jsonl`."""
    per = " per item" if line["per"] == "item" else ""
    so_far = f"{plural(line['pairs'], 'pair')}, {_seconds(line['seconds'])}"
    low, ratio, high = line["low"], line["ratio"], line["high"]
    if low is None or high is None:
        return f"{so_far}: {right} takes {format_number(ratio)} times as long{per} as {left}"
    if ratio < 1:
        return f"{so_far}: {right} is {_name_ratio(1 / high, 1 / ratio, 1 / low, f'as fast{per} as {left}')}"
    return f"{so_far}: {right} takes {_name_ratio(low, ratio, high, f'as long{per} as {left}')}"


def describe_reason(report: Json) -> str | None:
    """Return the sentence on why a comparison is undecided; None if it is decided or its first sentence says all."""
    return REASONS[report["reason"]] if report["reason"] else None


def describe_remedy(report: Json) -> str | None:
    """Return a comparison's sentence on what would decide it and what to do for it; None if nothing would."""
    if report["between_sessions"] and report["explanation"]:
        return _end(first_up(report["explanation"]))
    if not report["further_pairs"]:
        return REMEDIES.get(report["reason"])
    pairs, cost = report["pairs"] + report["further_pairs"], ""
    asked = f"`pairs: {pairs}`"
    if report["further_seconds"] is not None:
        cost = f" ({_seconds(report['further_seconds'])})"
        asked += f" and `seconds: {math.ceil(report['seconds'] + report['further_seconds'])}`"
    return (
        f"About {plural(report['further_pairs'], 'further pair')}{cost} would probably decide: give "
        f"`{report['comparison']}` {asked} in the campaign file and run `snakemake` again. "
        f"The {plural(report['pairs'], 'pair')} so far {'is' if report['pairs'] == 1 else 'are'} kept."
    )


def describe_grounds(report: Json) -> list[str]:
    """Return sentences on what a comparison's verdict rests on and what it does not say."""
    effect, design, apart = report["effect"], report["design"], report["between_sessions"]
    told = (_describe_items(report), _describe_modes(report), _describe_interference(report))
    lines = [*_describe_builds(report), *(line for line in told if line)]
    over_builds = _is_over_builds(report)
    for side in ("left", "right") if apart else ():
        lines += [_end(first_up(words)) for words in say_changed_sessions(side, apart[f"{side}_changes"])]
    if effect:
        lines.append(_describe_level(report))
        correlation = design["correlation"]
        if over_builds:
            pass  # builds are independent of each other, whatever their pairs are
        elif correlation["source"] == "calibration":
            lines.append(
                f"Neighbouring pairs are taken to correlate by {format_number(correlation['correlation'], 2)}, which "
                f"{plural(correlation['pairs'], 'calibration pair')} of this device allow."
            )
        elif effect["wider_low"] is not None:
            wider = _join(effect["wider_low"], effect["ratio"], effect["wider_high"])[1]
            known = plural(correlation["pairs"], "calibration pair")
            why = f"{first_up(known)} of this device are too few" if correlation["pairs"] else "No calibration is there"
            lines.append(
                f"{why} to say how neighbouring pairs correlate, so {format_number(correlation['correlation'], 2)} is "
                f"assumed; at 0.5 the interval would be {wider}."
            )
        lines.append(
            f"It speaks of starts like the {effect['pairs']} seen; a kind of start that is rarer than "
            f"{format_percent(effect['rare_starts'], 2)} may be missing."
        )
        if not report["noise"]:
            lines.append("The left cell is not calibrated, so what a verdict costs on it is not known.")
    return lines


def describe_interleaving(report: Json) -> str | None:
    """Return a comparison's sentence on how the arms took turns, None where nothing was measured."""
    modes = dict.fromkeys(session["interleaving"]["mode"] for session in report["sessions"])
    words = [INTERLEAVING[mode] for mode in modes if mode]
    reasons = dict.fromkeys(session["interleaving"]["reason"] for session in report["sessions"])
    because = "; ".join(reason for reason in reasons if reason)
    return " and ".join(words) + (f" ({because})" if because else "") if words else None


def describe_cost(noise: Json, effect: float, margin: float) -> str:
    """Return a comparison's sentence on a verdict's cost for a true difference (a fraction): pairs and seconds."""
    found = next((entry for entry in noise["expected"] if entry["effect"] == effect), None)
    if found is None or found["pairs"] is None:
        return "more pairs than the test allows" + (": it is as large as the margin" if effect == margin else "")
    return f"about {plural(found['pairs'], 'pair')}, {_seconds(found['seconds'])}"


def choose_effect(noise: Json, margin: float) -> float | None:
    """Return the difference that the sentence on cost tells: the smallest of known cost beyond the margin, or None."""
    return min((entry["effect"] for entry in noise["expected"] if entry["effect"] > margin), default=None)


_START = {
    "failed": "Failed",
    "not-comparable": "No difference",
    "undecided": "Undecided",
}


def _describe_level(report: Json) -> str:
    """Return a comparison's sentence on the confidence of its interval, and why it is that; it must have an effect."""
    effect, design, over_builds = report["effect"], report["design"], _is_over_builds(report)
    equivalent = report["verdict"] == "equivalent"
    confidence = effect["equivalence_confidence" if equivalent else "confidence"]
    holds = f"The interval holds at a confidence of {_name_level(confidence)}, " + (
        "over builds" if over_builds else "whenever the pairs stopped"
    )
    if equivalent:
        holds += f" (one of a difference: {_name_level(effect['confidence'])})"
    if design["comparisons"] == 1:
        return f"{holds}."
    share = _name_level(design["level"] * design["comparisons"])
    return f"{holds}: it is one of the campaign's {design['comparisons']} comparisons, which share {share} of error."


def _describe_items(report: Json) -> str | None:
    if report["per"] == "call":
        return None
    left, right = (plural(report["items"][side], "item") for side in ("left", "right"))
    return f"A call of left has {left}, one of right {right}; the times compared are those of one item."


def _describe_modes(report: Json) -> str | None:
    modes = report["modes"]
    if modes is None:
        return None
    sides: list[str] = []
    for side in ("left", "right"):
        levels = [
            f"{format_number(mode['level_ms'])}{SPACE}ms ({plural(mode['starts'], 'start')})" for mode in modes[side]
        ]
        sides.append(f"{side} {', '.join(levels)}")
    return f"Starts jump between levels: {'; '.join(sides)}."


def _describe_alone(report: Json) -> str | None:
    """Return the sentence on what the cells measured alone say against the pairs; None where they do not."""
    alone = report["alone"]
    if alone is None:
        return None
    names: dict[str, str] = dict(zip(("left", "right"), _name_arms(report), strict=True))
    sides = ("left",) if report["left"] == report["right"] else ("left", "right")  # both are one cell
    if report["left"] == report["right"]:
        names = dict.fromkeys(names, "the same artifact")
    missed = {side: alone[side]["unseen_in_pairs"] for side in sides if alone[side]["unseen_in_pairs"]}
    if missed:
        parts = [_name_levels(names[side], levels, alone[side]["starts"]) for side, levels in missed.items()]
        levels = [level for side in missed.values() for level in side]
        where = "at that level" if len(levels) == 1 else "at those levels"
        told = _name_about(report, [level["ratio"] for level in levels], names["right"])
        return f"Alone, {' and '.join(parts)}, which no pair saw; {where} {told}."
    extra = {side: alone[side]["unseen_alone"] for side in sides if alone[side]["unseen_alone"]}
    headlines = _name_about(report, [alone["ratio"]["ratio"]], names["right"])
    if extra:
        used = report["effect"]["pairs"]
        parts = [_name_levels(names[side], levels, used) for side, levels in extra.items()]
        return f"In pairs, {' and '.join(parts)}, which no start alone saw; by the two headlines, {headlines}."
    if alone["overlaps"] is False:
        low, high = alone["ratio"]["low"], alone["ratio"]["high"]
        low, high = (1 / high, 1 / low) if _is_told_as_fast(report) else (low, high)
        span = _join(low, (low * high) ** 0.5, high)[1]
        return (
            f"By the two headlines, measured one after the other, {headlines} ({span}), which the pairs do not "
            "confirm: something changed between those two runs, and hits both arms of a pair alike."
        )
    return None


def _name_levels(name: str, levels: Sequence[Json], starts: int) -> str:
    """Return "fp32 also started at 0.183 ms (3 of 5 starts)"; `starts`: of the arm, in all."""
    told = [
        f"{format_number(level['level_ms'])}{SPACE}ms ({level['starts']} of {plural(starts, 'start')})"
        for level in levels
    ]
    others = sum(level["starts"] for level in levels) < starts
    return f"{name} {'also ' if others else ''}started at {' and '.join(told)}"


def _name_about(report: Json, ratios: Sequence[float], right: str) -> str:
    """Return "int8 is about 1.4 times as fast", in the sense of the first sentence; a range for several ratios."""
    fast = _is_told_as_fast(report)
    told = [1 / ratio if fast else ratio for ratio in ratios]
    about = " to ".join(dict.fromkeys(str(format_number(end)) for end in (min(told), max(told))))
    return f"{right} {'is' if fast else 'takes'} about {about} times as {'fast' if fast else 'long'}"


def _is_told_as_fast(report: Json) -> bool:
    waived = report["waived"]
    return (waived["measured"] if waived else report["verdict"]) == "faster"


def _describe_interference(report: Json) -> str | None:
    """Return what taking turns changes, where it is at least half of the margin or cannot be told from that."""
    found = report["interference"]
    if found is None or found["low"] is None:
        return None
    half = math.log1p(report["design"]["margin"]) / 2
    if report["reason"] != "interference" and abs(found["difference"]) < half:
        return None
    middle, low, high = (format_signed(100 * math.expm1(found[key]), 2) for key in ("difference", "low", "high"))
    return f"Taking turns changes the right arm by {middle}{SPACE}% ({low} to {high}{SPACE}%) more than the left."


def _name_arms(report: Json) -> tuple[str, str]:
    """Return the names of both sides; of one build of a builder that draws, nothing is said of the model."""
    left, right = name_sides(report["left"], report["right"])
    if report["builds"] and report["builds"]["asked"] == 1 and report["left"] != report["right"]:
        return f"this build of {left}", f"this build of {right}"
    return left, right


def _describe_builds(report: Json) -> list[str]:
    """Return sentences on what builds say, and of what they do not."""
    builds = report["builds"]
    if builds is None:
        return []
    lines = [
        f"The outputs of build {fault['build']} of {fault['side']} have not passed parity: {fault['status']}."
        for fault in builds["parity"]
    ]
    if builds["asked"] == 1:
        told = (
            "The builder draws: another build of the same model may be faster or slower, so this speaks of the engines "
        )
        return [
            *lines,
            told + "that were measured and not of the models. Give the preset `builds: 5` to compare models.",
        ]
    ratios: str = ", ".join(str(format_number(ratio)) for ratio in builds["ratios"])
    lines.append(f"{plural(builds['asked'], 'pair')} of builds, right over left: {ratios}.")
    if variances := builds["variances"]:
        total = math.fsum(value or 0.0 for value in variances.values())
        shares = [(name, value) for name, value in variances.items() if value is not None]
        if total:
            parts = ", ".join(f"{name} make {format_percent(value / total, 2)}" for name, value in shares)
            lines.append(f"Of the variance from one pair of processes to the next, {parts}.")
    rare = format_percent(builds["rare"], 2)
    lines.append(
        f"It speaks of builds like these {builds['asked']}: a tactic that comes up in fewer than {rare} of them may be "
        "missing. What such a tactic could change if it were twice as slow, or twice as fast, is allowed for where "
        "builds are alike, and before `equivalent` is said."
    )
    return lines


def _is_over_builds(report: Json) -> bool:
    """Tell whether a verdict is over several builds of a builder that draws."""
    return report["builds"] is not None and report["builds"]["asked"] > 1


def _name_ratio(low: float, ratio: float, high: float, unit: str, level: str | None = None) -> str:
    """Return "1.58 times as fast as fp32 (1.55–1.61, 95 %)". `level`: the confidence of the interval."""
    middle, span = _join(low, ratio, high)
    return f"{middle} times {unit} ({span}{f', {level}' if level else ''})"


def _name_level(confidence: float) -> str:
    return f"{100 * confidence:.4g}{SPACE}%"


def _join(low: float, ratio: float, high: float) -> tuple[str, str]:
    """Return (ratio, interval) as texts with the digits that the interval supports."""
    near = abs(math.log(ratio)) < _NEAR  # two digits would hide on which side of the margin an end lies
    decimals = max(3 if near else 2 if ratio < 10 else 0, decimals_for(ratio, low, high) - 1)
    low_text, middle, high_text = (format_fixed(value, decimals) for value in (low, ratio, high))
    return middle, f"{low_text}{DASH}{high_text}"


def _name_cost(report: Json) -> str:
    sessions = report["between_sessions"]
    if report["effect"] or not sessions:
        pairs = plural(report["pairs"], "pair")
        used = report["pairs"] if _is_over_builds(report) or not report["effect"] else report["effect"]["pairs"]
        return f"{_seconds(report['seconds'])}, " + (
            pairs if used >= report["pairs"] else f"the first {used} of {pairs}"
        )
    left, right = sessions["left_sessions"], sessions["right_sessions"]
    return f"{plural(left, 'session')} each" if left == right else f"{left} and {plural(right, 'session')}"


def _seconds(seconds: float) -> str:
    return f"{format_fixed(seconds, 0 if seconds >= 9.95 else 1)}{SPACE}s"


def _start(name: str) -> str:
    """Capitalise "the same artifact"; leave names of presets and precisions as they are."""
    return first_up(name) if name.startswith("the ") else name


def _end(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
