"""The limits of a report in sentences: what its numbers do not say. Read them before you quote it."""

from collections import Counter

from edgeproof.artifacts.records.manifests import flag_random_ranges
from edgeproof.artifacts.records.parity_records import count_limits
from edgeproof.core.formatting import SPACE, format_count
from edgeproof.core.summary import PERCENTILES

from .charts import label_of
from .collecting import Evidence

_SHOWN = 4  # names in one sentence


def list_limits(evidence: Evidence) -> list[dict[str, str]]:
    """Return [{title, text}] of the limits that apply to a campaign, the gravest first."""
    cells, total = evidence.cells, len(evidence.cells)
    found = [
        _say_simulated(cells, total),
        _say_without_number(cells, total),
        _say_noisy(cells, total),
        _say_session(cells, total),
        _say_random(cells, total),
        _say_calibrated_on_noise(cells),
        _say_partly_measured(cells),
        _say_elsewhere(cells, total),
        _say_wrong(cells),
        {
            "title": "Rows are not differences",
            "text": "Each cell was measured in its own session. If you subtract two rows, you also subtract what "
            "changed between the sessions. Only the comparisons, measured in interleaved pairs, tell you what differs.",
        },
        _say_refused(evidence.comparisons),
        _say_starts(evidence.comparisons),
        _say_level(evidence.comparisons),
        _say_accuracy(cells),
        _say_percentiles(cells),
        _say_batched(cells, total),
        *_say_energy(cells, total),
        {
            "title": "One request at a time",
            "text": "Throughput is inferences per second of time inside the model, one after the other. It is a mean, "
            "so calls that the machine stalled count in full; latency is a median, which they hardly move. Where "
            "throughput is far below one over latency, other work took the processor. It says nothing about concurrent "
            "requests, pre-processing or post-processing.",
        },
    ]
    return [limit for limit in found if limit]


def _say_level(comparisons):
    """Return why the intervals of several comparisons are wider than that of one."""
    designs = [item.report["design"] for item in comparisons if item.report["effect"]]
    shared = next((design for design in designs if design["comparisons"] > 1), None)
    if shared is None:
        return None
    confidence = f"{100 * (1 - shared['level']):.4g}{SPACE}%"
    share = f"{100 * shared['level'] * shared['comparisons']:.4g}{SPACE}%"
    return _limit(
        "Comparisons share their errors",
        f"The campaign has {shared['comparisons']} comparisons, which share {share} of error, so the interval of each "
        f"difference holds at {confidence}. `edgeproof compare` asks about one, so its interval for the same pairs is "
        "narrower.",
    )


def _say_simulated(cells, total):
    names = _names(item for item in cells if item.result["provenance"] == "simulated")
    if not names:
        return None
    return _limit(
        "Simulated",
        f"{_share(names, total)} simulated, not measured: {_list(names)}. They say nothing about any device.",
    )


def _say_without_number(cells, total):
    names = _names(item for item in cells if item.result["latency"] is None)
    return names and _limit(
        "No number", f"{_share(names, total)} without a latency: {_list(names)}. The table of cells says why."
    )


def _say_noisy(cells, total):
    names = _names(item for item in cells if any(entry["label"] == "noisy" for entry in item.result["labels"]))
    text = f"{_share(names, total)} noisy: {_list(names)}. The intervals of their headlines are wide."
    return names and _limit("Noisy", text)


def _say_session(cells, total):
    names = _names(item for item in cells if item.result["latency"] and item.result["latency"]["basis"] != "sessions")
    text = f"{_share(names, total)} measured in one or two sessions: {_list(names)}. Another day may give others."
    return names and _limit("One session", text)


def _say_random(cells, total):
    names = _names(item for item in cells if item.result["inputs"] and item.result["inputs"]["kind"] == "random")
    text = f"{_share(names, total)} timed on random samples: {_list(names)}. Real inputs may take longer or shorter."
    return names and _limit("Random samples", text)


def _say_calibrated_on_noise(cells):
    names = _names(item for item in cells if flag_random_ranges(item.manifest))
    text = f"Random numbers chose the int8 ranges of {_list(names)}. Such an artifact agrees with its source on random "
    return names and _limit("Calibrated on noise", text + "inputs, and may not on real ones.")


def _say_partly_measured(cells):
    names = _names(item for item in cells if item.parity["status"] == "passed" and _lacks_limits(item.parity))
    text = f"Not every limit that the preset sets for outputs could be measured: {_list(names)}. "
    return names and _limit("Limits not measured", text + "The table of outputs says which, and why.")


def _lacks_limits(parity):
    measured, asked = count_limits(parity)
    return measured < asked


def _say_elsewhere(cells, total):
    names = _names(item for item in cells if item.result["elsewhere"])
    text = f"{_share(names, total)} measured on another machine than this one: {_list(names)}."
    return names and _limit("Measured elsewhere", text)


def _say_wrong(cells):
    names = _names(item for item in cells if item.parity["status"] == "failed")
    verb = "does" if len(names) == 1 else "do"
    text = f"{_list(names)} {verb} not compute what the source model computes, within the limits set; "
    return names and _limit("Outputs differ", text + "their speed may be of no use to you.")


def _say_refused(comparisons):
    names = [
        item.report["comparison"]
        for item in comparisons
        if item.report["effect"] is None and not item.report["between_sessions"]
    ]
    text = f"No difference is given for {_list(names)}; each comparison says why."
    return names and _limit("No difference", text)


def _say_starts(comparisons):
    if not [item for item in comparisons if item.report["effect"]]:
        return None
    text = "A difference holds for starts like those seen, on this machine, in the sessions of its pairs, and for the "
    return _limit("Starts", text + "input mix measured. Each comparison says how rare a kind of start may be missing.")


def _say_accuracy(cells):
    reasons = Counter(
        item.parity["absent"]["relative_accuracy"] for item in cells if "relative_accuracy" in item.parity["absent"]
    )
    if not reasons:
        return None
    text = "; ".join(f"{reason} ({_cells(count)})" for reason, count in reasons.most_common())
    return _limit("Accuracy unknown", f"{text[:1].upper()}{text[1:]}.")


def _say_percentiles(cells):
    withheld = Counter(
        name
        for item in cells
        for name in PERCENTILES
        if item.result["percentiles"] and item.result["percentiles"][name]["value_ms"] is None
    )
    if not withheld:
        return None
    text = ", ".join(f"{name} of {_cells(withheld[name])}" for name in PERCENTILES if withheld[name])
    return _limit("Percentiles withheld", f"{text}. The table of percentiles says why.")


def _say_batched(cells, total):
    names = _names(item for item in cells if any(p["calls_per_sample"] > 1 for p in item.result["processes"]))
    text = f"{_share(names, total)} timed in batches of calls, because reading the clock costs too much of one: "
    return names and _limit("Batched clock", f"{text}{_list(names)}.")


def _say_energy(cells, total):
    reasons = Counter(
        item.result["energy"]["reason"] or "no reason recorded"
        for item in cells
        if item.result["energy"]["value_j"] is None
    )
    for reason, count in reasons.most_common():
        yield _limit("Energy", f"Not measured for {format_count(count)} of {_cells(total)}: {reason}.")


def _limit(title, text):
    return {"title": title, "text": text}


def _names(items):
    return [f"{item.cell.model} · {label_of(item.cell)}" for item in items]


def _share(names, total):
    return f"{format_count(len(names))} of {_cells(total)} {'is' if len(names) == 1 else 'are'}"


def _cells(count):
    return f"{format_count(count)} cell{'' if count == 1 else 's'}"


def _list(names):
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
