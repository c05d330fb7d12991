"""The first page of a large campaign as plain data: verdicts, gate, counts, and one row per model.

Nothing on it grows with the campaign but the table of models, whose rows are short.
"""

from collections import Counter
from collections.abc import Mapping

from edgeproof.comparability.sentences import name_sides
from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.formatting import DASH, SPACE, choose_unit, format_bytes, format_count, format_number, plural

from .cell_tables import describe_quality
from .charts import anchor_of, draw_verdicts
from .collecting import CellEvidence, ComparisonEvidence, Evidence
from .comparisons import count_verdicts, describe_ratio, order_comparisons, state_of, tell_comparison
from .failed_cells import list_failures
from .gate import count_labels, name_state
from .limits import list_limits
from .model_parts import list_sides
from .overview import describe_overview, list_failing_gates
from .placements import describe_plans
from .recomputing_commands import recompute_campaign, recompute_cell
from .replays_shown import describe_replays
from .services_shown import describe_services

_TOLD = 8  # verdicts in full
_NAMED = 6  # models that are named with the number of verdicts left out; of more there is only the sum
_ROWS = 400  # cells, or comparisons, that are listed one by one; of more there are only the models' rows
_MARKS = 40  # cells of a model that are drawn as squares; of more there are only counts


def describe_first_page(evidence: Evidence, parts: Mapping[str, Evidence], page: FilePath) -> Json:
    """Return everything that the first page shows; `parts`: of `split_evidence`."""
    return {
        "overview": describe_overview(evidence),
        "verdicts": _list_verdicts(evidence),
        "counts": _count_all(evidence),
        "failures": list_failures(evidence.cells),
        "models": [_describe_model(name, parts[name]) for name in _order_models(parts)],
        "all_cells": [_list_cell(item) for item in evidence.cells] if len(evidence.cells) <= _ROWS else [],
        "all_comparisons": _list_comparisons(evidence) if len(evidence.comparisons) <= _ROWS else [],
        "validate": recompute_campaign(evidence.campaign),
        "plans": describe_plans(evidence.plans, page),
        "replays": describe_replays(evidence.replays, page),
        "services": describe_services(evidence.services, page),
        "limits": list_limits(evidence),
    }


def _href_of(model: str) -> str:
    """Return the link from the first page to a model's page."""
    return f"models/{model}.html"


def _list_verdicts(evidence: Evidence) -> Json:
    """Return {shown, axis, rest, pages}: those that fail a gate or say a difference first, and where the others are."""
    failing = list_failing_gates(evidence)
    rows = [tell_comparison(evidence.campaign, item.report, _href_of, failing) for item in evidence.comparisons]
    ordered = order_comparisons(list(zip(rows, evidence.comparisons, strict=True)))
    rest = ordered[_TOLD:]
    homes = Counter(list_sides(item)[0] for _, item in rest)
    named = [{"model": name, "href": _href_of(name), "count": count} for name, count in homes.items()]
    shown = [row for row, _ in ordered[:_TOLD]]
    return {
        "shown": shown,
        "axis": draw_verdicts(shown),
        "rest": len(rest),
        "pages": named if len(named) <= _NAMED else [],
        "models": len(named),
    }


def _list_cell(item: CellEvidence) -> Json:
    """Return a cell's row in the table of all: where it is, its state, its figures, and the command to compute them."""
    cell, latency, quality = item.cell, item.result["latency"], describe_quality(item.parity)
    unit, factor = choose_unit([latency["median_ms"]]) if latency else ("", 1.0)
    return {
        **cell._asdict(),
        "href": f"{_href_of(cell.model)}#{anchor_of(cell)}",
        "state": item.verdict["state"],
        "words": name_state(item.result, item.verdict),
        "labels": ", ".join(count_labels([item.result])),
        "simulated": item.result["provenance"] == "simulated",
        "latency": latency and f"{format_number(latency['median_ms'] * factor)}{SPACE}{unit}",
        "latency_ms": latency and f"{latency['median_ms']:.6g}",
        "size": format_bytes(item.result["artifact_bytes"]) if item.manifest["status"] == "ok" else None,
        "bytes": item.result["artifact_bytes"],
        "quality": quality and quality["candidate"],
        "command": recompute_cell(cell),
    }


def _list_comparisons(evidence: Evidence) -> list[Json]:
    """Return the rows of the table of all comparisons, the most urgent first."""
    failing = list_failing_gates(evidence)
    rows = [(tell_comparison(evidence.campaign, item.report, _href_of, failing), item) for item in evidence.comparisons]
    return [
        {
            **{key: row[key] for key in ("name", "href", "context", "state", "words", "simulated", "shuts", "command")},
            **describe_ratio(item.report),
            "model": " and ".join(list_sides(item)),
            "sides": " → ".join(name_sides(item.report["left"], item.report["right"])),
            "pairs": format_count(item.report["pairs"]),
            "seconds": format_count(round(item.report["seconds"])),
        }
        for row, item in order_comparisons(rows)
    ]


def _count_all(evidence: Evidence) -> list[Json]:
    """Return [{name, items: [{state, words}]}]: cells by state, headlines by label, comparisons by verdict."""
    cells = Counter((item.verdict["state"], name_state(item.result, item.verdict)) for item in evidence.cells)
    verdicts = Counter((state_of(item.report), item.report["verdict"]) for item in evidence.comparisons)
    labels = Counter(
        {("tolerated", word): count for word, count in count_labels(item.result for item in evidence.cells).items()}
    )
    found = (
        (plural(cells.total(), "cell"), cells),
        ("headlines", labels),
        (plural(verdicts.total(), "comparison"), verdicts),
    )
    return [
        {
            "name": name,
            "items": [
                {"state": state, "words": f"{format_count(count)}{SPACE}{word.replace('-', ' ')}"}
                for (state, word), count in counter.most_common()
            ],
        }
        for name, counter in found
        if counter
    ]


def _order_models(parts: Mapping[str, Evidence]) -> list[str]:
    """Return the models, those that shut the gate first."""
    return sorted(parts, key=lambda name: _state_of(parts[name]) != "failing")


def _state_of(part: Evidence) -> str:
    states = {item.verdict["state"] for item in part.cells}
    if "failing" in states or list_failing_gates(part) or part.stale:
        return "failing"
    return "tolerated" if "tolerated" in states else "ok"


def _describe_model(name: str, part: Evidence) -> Json:
    words = Counter(name_state(item.result, item.verdict) for item in part.cells)
    labels = count_labels(item.result for item in part.cells)
    latencies = [item.result["latency"]["median_ms"] for item in part.cells if item.result["latency"]]
    return {
        "model": name,
        "href": _href_of(name),
        "state": _state_of(part),
        "marks": [_mark(item) for item in part.cells] if len(part.cells) <= _MARKS else [],
        "cells": format_count(len(part.cells)),
        "states": ", ".join(f"{format_count(count)}{SPACE}{word}" for word, count in words.most_common())
        + "".join(f"; {format_count(count)}{SPACE}{label}" for label, count in labels.items())
        + (f"; {plural(len(part.stale), 'stale document')}" if part.stale else ""),
        "latency": _name_range(latencies),
        "latency_ms": f"{min(latencies):.6g}" if latencies else None,
        "simulated": any(item.result["provenance"] == "simulated" for item in part.cells),
        "comparisons": count_verdicts(_reports(part.comparisons)),
    }


def _mark(item: CellEvidence) -> str:
    """Return the class of a cell's square: a headline that is noisy looks like something tolerated."""
    state = item.verdict["state"]
    return "tolerated" if state == "ok" and count_labels([item.result]) else state


def _reports(comparisons: list[ComparisonEvidence]) -> list[Json]:
    return [item.report for item in comparisons]


def _name_range(latencies: list[float]) -> str | None:
    """Return the headlines of a model from the fastest to the slowest: "0.98–3.4 ms"."""
    if not latencies:
        return None
    unit, factor = choose_unit(latencies)
    low, high = (format_number(value * factor) for value in (min(latencies), max(latencies)))
    return f"{low}{SPACE}{unit}" if low == high else f"{low}{DASH}{high}{SPACE}{unit}"
