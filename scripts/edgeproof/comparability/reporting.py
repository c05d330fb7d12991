"""The report of one comparison: verdict first, a difference only where there may be one."""

from ..core.comparison import judge_pairs
from ..core.documents import read_json, write_json
from ..core.files import atomic_write, sha256_file
from .pairs import read_pairs

_SENTENCES = {
    "faster": "The right side is **faster** than the left",
    "slower": "The right side is **slower** than the left",
    "equivalent": "Both sides are **equivalent** within the margin",
    "undecided": "**Undecided**: the pairs so far neither show a difference nor exclude one",
    "unstable": "**Unstable**: no difference is computed",
    "not-comparable": "**Not comparable**: no difference is computed",
}


def report_comparison(verdict_path, table, record, margin, json_path, markdown_path):
    """Write `report.json` and `report.md` of a comparison from its verdict and its pairs."""
    report = build_report(verdict_path, table, record, margin)
    write_json(json_path, report, "comparison")
    atomic_write(markdown_path, render_markdown(report))


def build_report(verdict_path, table, record, margin):
    """Return the report document. `effect` (ratio right / left, delta in %) is null unless pairs were measured
    undisturbed.
    """
    verdict = read_json(verdict_path, "verdict")
    document, medians = read_pairs(table, record)
    report = {
        "schema": "edgeproof.comparison.v1",
        "comparison": verdict["comparison"],
        "left": verdict["left"]["cell"],
        "right": verdict["right"]["cell"],
        "comparable": verdict["verdict"],
        "mode": verdict["mode"],
        "policy": verdict["policy"],
        "varies": verdict["varies"],
        "reasons": verdict["reasons"],
        "verdict": None,
        "explanation": None,
        "provenance": next((session["provenance"] for session in document["sessions"]), "measured"),
        "effect": None,
        "margin": margin,
        "pairs": len(medians["left"]),
        "further_pairs": None,
        "sessions": [
            {key: s[key] for key in ("attempt", "pairs", "disturbances", "steal_share")} for s in document["sessions"]
        ],
        "digests": {
            "left_result": verdict["left"]["result_sha256"],
            "right_result": verdict["right"]["result_sha256"],
            "pairs": sha256_file(table),
        },
    }
    return report | _judge(document, medians, margin)


def _judge(document, medians, margin):
    reason = document["reason"]
    if document["status"] != "measured":
        kinds = {"unstable": "unstable", "two-devices": "undecided"}
        return {"verdict": kinds.get(reason["kind"], "not-comparable"), "explanation": reason["message"]}
    disturbances = [text for session in document["sessions"] for text in session["disturbances"]]
    if disturbances:
        return {"verdict": "unstable", "explanation": "; ".join(dict.fromkeys(disturbances))}
    judgement = judge_pairs(medians["left"], medians["right"], margin, look=len(document["sessions"]))
    interval, equivalence = judgement.ratio, judgement.equivalence
    effect = {
        "ratio": interval.estimate,
        "delta_pct": (interval.estimate - 1) * 100,
        "interval_low": interval.low,
        "interval_high": interval.high,
        "confidence": interval.confidence,
        "equivalence_low": equivalence.low,
        "equivalence_high": equivalence.high,
        "equivalence_confidence": equivalence.confidence,
        "difference_p": judgement.difference_p,
        "equivalence_p": judgement.equivalence_p,
        "log_sd": judgement.log_sd,
        "look": judgement.look,
    }
    return {
        "verdict": judgement.verdict,
        "explanation": judgement.reason,
        "effect": effect,
        "further_pairs": judgement.further_pairs,
    }


def render_markdown(report):
    """Return the report as Markdown; a pair without an effect shows no number."""
    left, right = (
        "/".join(report[side][k] for k in ("model", "preset", "device", "precision")) for side in ("left", "right")
    )
    lines = [f"# {report['comparison']}", "", f"left: `{left}`  ", f"right: `{right}`", ""]
    lines += [f"Comparable: **{report['comparable']}** ({report['mode']}, policy `{report['policy']}`)", ""]
    if report["reasons"]:
        lines += ["| field | left | right | remedy |", "|---|---|---|---|"]
        for reason in report["reasons"]:
            remedy = reason["remedy"] or "this is what is compared"
            lines.append(
                f"| {reason['field']} | {_cell(reason['left'])} | {_cell(reason['right'])} | {_cell(remedy)} |"
            )
        lines.append("")
    sentence = _SENTENCES[report["verdict"]]
    effect = report["effect"]
    if effect:
        sentence += (
            f": ratio right / left {effect['ratio']:.4f}, {effect['confidence'] * 100:.4g} % interval "
            f"{_bound(effect['interval_low'])} to {_bound(effect['interval_high'])}, margin ±{report['margin']:.1%}, "
            f"{report['pairs']} pairs, look {effect['look']}"
        )
    lines.append(sentence + ".")
    if report["explanation"]:
        lines += ["", report["explanation"]]
    if report["further_pairs"]:
        lines += ["", f"About {report['further_pairs']} further pairs would decide: raise `pairs` of this comparison."]
    if report["provenance"] != "measured":
        lines += ["", f"These times are **{report['provenance']}**, not measured."]
    return "\n".join(lines) + "\n"


def _bound(value):
    return "unknown" if value is None else f"{value:.4f}"


def _cell(value):
    text = value if isinstance(value, str) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
