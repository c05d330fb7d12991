"""The section on plans as plain data: where the stages run, the proof, and the measured time against the predicted."""

from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.formatting import SPACE, first_up, format_estimate, format_number, format_range, format_signed
from edgeproof.plans.outcome.explanation import explain_empty_document, explain_proof, explain_robustness

from .collecting import PlanEvidence, link_from
from .recomputing_commands import recompute_plan

_DECIMALS = 1  # of errors in percent


def describe_plans(plans: list[PlanEvidence], page: FilePath) -> list[Json]:
    """Return the placements of the page's section on plans, one dict per plan with its drawing.

    Links are relative to the folder of `page`.
    """
    return [_describe(item, page) for item in plans]


def _describe(item, page):
    plan, check = item.plan, item.check
    chosen, measured = plan["plans"][0] if plan["plans"] else None, check["measured"]
    pipeline, goal = plan["pipeline_name"], plan["goal"]["name"]
    proof = explain_proof(plan) if chosen else explain_empty_document(plan)
    return {
        "name": f"{pipeline}, {goal}",
        "anchor": f"plan-{pipeline}-{goal}",
        "command": recompute_plan(pipeline, goal),
        "state": "ok" if item.verdict["state"] == "ok" else "failing",
        "words": plan["status"] if chosen else "no plan",
        "sentence": f"{first_up(proof)}. Checked without the solver: {item.optimality}.",
        "path": chosen and " → ".join(chosen["path"]),
        "reasons": [first_up(reason) for reason in item.verdict["reasons"]],
        "simulated": check["provenance"] == "simulated",
        "facts": _list_facts(plan, check) if chosen else [],
        "robustness": explain_robustness(plan["robustness"]) if plan["robustness"] else [],
        "drawing": _draw(check) if measured else None,
        "rows": [_describe_stage(row) for row in check["stages"]],
        "links": [
            {"name": path.rsplit("/", 1)[1], "href": link_from(page, path)}
            for path in (item.paths["page"], item.paths["plan"], item.paths["scenario"], item.paths["check"])
        ],
    }


def _list_facts(plan, check):
    chosen, measured, error = plan["plans"][0], check["measured"], check["error"]
    facts = [
        {
            "name": "Predicted latency",
            "text": f"{format_number(chosen['total_latency_ms'])}{SPACE}ms",
            "more": "the sum of what was measured stage by stage and crossing by crossing",
        }
    ]
    if measured is None:
        return facts
    bounds = measured["interval_low_ms"], measured["interval_high_ms"]
    value, interval = format_estimate(measured["median_ms"], *bounds)
    count = len(measured["process_medians_ms"])
    facts.append(
        {
            "name": "Run as placed",
            "text": f"{value}{SPACE}ms",
            "more": f"{interval or 'no interval'}, {count} fresh sets of processes"
            + (", noisy" if measured["noisy"] else ""),
        }
    )
    facts.append(
        {
            "name": "Prediction error",
            "text": _format_error(error["relative"]),
            "more": "measured against predicted"
            if error["interval_low"] is None
            else format_range(100 * error["interval_low"], 100 * error["interval_high"], _DECIMALS, sign=True)
            + f"{SPACE}%",
        }
    )
    return facts


def _describe_stage(row):
    return {
        "name": row["name"],
        "where": f"{row['executor']} {row['variant']}",
        "numbers": [
            {
                "label": f"{what}, {kind}",
                "text": f"{format_number(row[f'{kind}_{key}_ms'])}{SPACE}ms" if row[f"{kind}_{key}_ms"] else "none",
            }
            for what, key in (("Crossing", "handover"), ("Execution", "execution"))
            for kind in ("predicted", "measured")
        ],
        "error": _format_error(row["measured_execution_ms"] / row["predicted_execution_ms"] - 1),
    }


def _format_error(share):
    return f"{format_signed(100 * share, _DECIMALS)}{SPACE}%"


def _draw(check):
    """Return both latencies cut into crossings and stages; positions in percent of the longer one."""
    bars = {}
    for kind in ("predicted", "measured"):
        parts = []
        for row in check["stages"]:
            parts += [("crossing", row[f"{kind}_handover_ms"], f"to {row['name']}")]
            parts += [("stage", row[f"{kind}_execution_ms"], f"{row['name']} on {row['executor']}")]
        parts.append(("crossing", check["returning"][f"{kind}_ms"], "back to the caller"))
        bars[kind] = parts
    longest = max(sum(ms for _, ms, _ in parts) for parts in bars.values())
    return [
        {
            "name": kind,
            "total": f"{format_number(sum(ms for _, ms, _ in parts))}{SPACE}ms",
            "parts": list(_place(parts, longest)),
        }
        for kind, parts in bars.items()
    ]


def _place(parts, longest):
    start = 0.0
    for kind, ms, words in parts:
        width = 100 * ms / longest
        if width:
            title = f"{words}: {format_number(ms)}{SPACE}ms"
            yield {"kind": kind, "x": round(start, 3), "width": round(width, 3), "title": title}
        start += width
