"""Plans as rows and as text: `plan.csv`, `pareto.csv`, and what the terminal shows."""

import csv
import io

from edgeproof.core.configuration import Json

from .control_characters import make_printable
from .explanation import (
    explain_empty_document,
    explain_flip_points,
    explain_path,
    explain_proof,
    explain_relaxation,
    explain_robustness,
)

_PLAN_COLUMNS = (
    "rank",
    "pipeline_name",
    "goal",
    "strategy",
    "status",
    "total_score",
    "total_latency_ms",
    "total_energy_mj",
    "switches",
    "accuracy_drop",
    "period_ms",
)
_STAGE_COLUMNS = (
    "stage_name",
    "device_name",
    "variant",
    "execution_latency_ms",
    "entry_latency_ms",
    "transfer_latency_ms",
    "total_latency_ms",
    "execution_energy_mj",
    "transfer_energy_mj",
    "total_energy_mj",
    "memory_mb",
    "accuracy_drop",
    "start_ms",
    "end_ms",
    "latency_provenance",
)


def render_plan_table(document: Json) -> str:
    """Return the table `plan.csv`: a row per rank and stage, 4 decimals; the columns of stages start with `stage_`."""
    document = make_printable(document)
    header = [*_PLAN_COLUMNS, *(name if name.startswith("stage_") else f"stage_{name}" for name in _STAGE_COLUMNS)]
    rows = []
    for plan in document["plans"]:
        shared = [document["status"] if name == "status" else plan[name] for name in _PLAN_COLUMNS]
        rows += [[*shared, *(row[name] for name in _STAGE_COLUMNS)] for row in plan["assignments"]]
    return _write_rows(header, rows)


def render_pareto_table(document: Json) -> str:
    """Return the plan's table `pareto.csv`: the points of both fronts with the paths that attain them.

    Only the header without fronts.
    """
    fronts = make_printable(document)["pareto"] or {}
    axes = next(iter(fronts.values()))["axes"] if fronts else ["latency_ms", "energy_mj"]
    rows = [
        [
            name,
            str(front["complete"]).lower(),
            *point["values"],
            path["switches"],
            " ".join(path["path"]),
            " ".join(v or "-" for v in path["variants"]),
        ]
        for name, front in fronts.items()
        for point in front["points"]
        for path in point["paths"]
    ]
    return _write_rows(["front", "complete", *axes, "switches", "path", "variants"], rows, decimals=6)


def _write_rows(header, rows, decimals=4):
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([f"{value:.{decimals}f}" if isinstance(value, float) else value for value in row])
    return buffer.getvalue()


def render_plan_text(document: Json) -> str:
    """Return the plan and its tables as text, as the terminal shows them.

    It has a header, memory, stages, explanation, alternatives, robustness and notes.
    """
    document = make_printable(document)
    if not document["plans"]:
        return "\n".join([explain_empty_document(document), *list_relaxations(document)]) + "\n"
    plan = document["plans"][0]
    lines = [
        f"Pipeline {plan['pipeline_name']}, goal {plan['goal']}: {explain_proof(document)}",
        f"Latency {plan['total_latency_ms']:.4f} ms, energy {_amount(plan['total_energy_mj'], 'mJ')},"
        f" {document['goal']['levels'][0]} {plan['total_score']:.6f}, switches {plan['switches']}",
        *_list_caps(document, plan),
        "",
        "Memory used / budget",
        *(f"  {row['device_name']}: {row['used_mb']:g} / {row['budget_mb']:g} MB" for row in plan["memory"]),
        "",
        *_align_stages(plan),
        "",
        "Why",
        *(f"  {line}" for line in plan["explanation"]),
    ]
    if len(document["plans"]) > 1:
        lines += ["", "Alternatives", *(f"  {_summarize(other)}" for other in document["plans"][1:])]
    if document["robustness"]:
        lines += ["", "Robustness", *(f"  {line}" for line in explain_robustness(document["robustness"]))]
    if document["flip_points"]:
        lines += ["", "What would change the plan", *(f"  {line}" for line in explain_flip_points(document))]
    if document["notes"]:
        lines += ["", *(f"Note: {note}" for note in document["notes"])]
    return "\n".join(lines) + "\n"


def list_relaxations(document: Json) -> list[str]:
    """Return the table rows, as text, that say what would make a plan possible; none where that was not asked."""
    if document["infeasibility"] is None:
        return []
    lines = ["Each limit alone:"]
    for row in document["infeasibility"]["relaxations"]:
        lines.append(f"  {row['limit']} {row['value']:g}: {explain_relaxation(row['needed'], row['reason'])}")
    factor, reason = (document["infeasibility"][key] for key in ("both_caps_factor", "both_caps_reason"))
    if factor or reason:
        lines.append(f"  both caps together: {explain_relaxation(factor, reason, factor=True)}")
    return lines


def _list_caps(document, plan):
    caps = [(key, cap) for key, cap in document["limits"].items() if cap is not None]
    return [f"Limit {key} {cap:g}, slack {plan['slack'][key]:.4f}" for key, cap in caps]


def _align_stages(plan):
    header = ("Stage", "Device", "Execution ms", "Crossing ms", "Energy mJ", "Memory MB")
    rows = [
        (
            row["stage_name"],
            explain_path([row["device_name"]], [row["variant"]])[0],
            f"{row['execution_latency_ms']:.4f}",
            f"{row['transfer_latency_ms']:.4f}",
            "–" if row["total_energy_mj"] is None else f"{row['total_energy_mj']:.4f}",
            f"{row['memory_mb']:g}",
        )
        for row in plan["assignments"]
    ]
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (header, *rows)
    ]


def _summarize(plan):
    return (
        f"{plan['rank']}. {plan['total_score']:.6f}, {plan['total_latency_ms']:.4f} ms,"
        f" {_amount(plan['total_energy_mj'], 'mJ')}: {' → '.join(explain_path(plan['path'], plan['variants']))}"
    )


def _amount(value, unit):
    return f"unknown {unit}" if value is None else f"{value:.4f} {unit}"
