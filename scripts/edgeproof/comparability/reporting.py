"""The report of one comparison: the verdict first, and a difference only if it may be given."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgeproof.calibration.noise import read_noise
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write, sha256_file
from edgeproof.core.layout import Cell, run_folder
from edgeproof.core.paired_test import judge_pairs
from edgeproof.core.statistical_power import detectable_effect
from edgeproof.runs.results import read_result

from .between_sessions import compare_between_sessions
from .pairs import read_pairs, require_state

_NOISE_KEYS = ("device", "file", "provenance", "detectable_effect", "false_rate", "between_session_sd", "fitness")

_SENTENCES = {
    "faster": "The right side is **faster** than the left",
    "slower": "The right side is **slower** than the left",
    "equivalent": "Both sides are **equivalent** within the margin",
    "undecided": "**Undecided**: the pairs so far neither show a difference nor exclude one",
    "unstable": "**Unstable**: no difference is computed",
    "not-comparable": "**Not comparable**: no difference is computed",
}


def report_comparison(
    verdict_path: FilePath,
    table: FilePath,
    record: FilePath,
    margin: float,
    json_path: FilePath,
    markdown_path: FilePath,
    noise_paths: Sequence[FilePath] = (),
) -> None:
    """Write `report.json` and `report.md` of a comparison from its verdict, its pairs and its devices' calibrations."""
    report = build_report(verdict_path, table, record, margin, noise_paths)
    write_json(json_path, report, "comparison")
    atomic_write(markdown_path, render_markdown(report))


def build_report(
    verdict_path: FilePath,
    table: FilePath,
    record: FilePath,
    margin_requested: float,
    noise_paths: Sequence[FilePath] = (),
) -> Json:
    """Return the report document.

    `noise_paths`: noise.json of the devices, as far as they are calibrated. The margin is the one requested, but never
    below what the left device can see in so many pairs. `effect` (ratio right / left, delta in %) is null unless pairs
    were measured undisturbed; `between_sessions` takes its place for two devices.
    """
    verdict = read_json(verdict_path, "verdict")
    document, medians = read_pairs(table, record)
    for session in document["sessions"]:
        require_state(session, verdict, record)
    noises = {noise["device"]: noise | {"file": str(path)} for path in noise_paths for noise in [read_noise(path)]}
    pairs = len(medians["left"])
    margin = max(margin_requested, _smallest_margin(noises.get(verdict["left"]["cell"]["device"]), pairs))
    report: Json = {
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
        "provenance": next((session["provenance"] for session in document["sessions"]), verdict["left"]["provenance"]),
        "effect": None,
        "between_sessions": None,
        "margin": margin,
        "margin_requested": margin_requested,
        "noise": [
            {"sha256": sha256_file(noise["file"]), **{key: noise[key] for key in _NOISE_KEYS}}
            for noise in noises.values()
        ],
        "pairs": pairs,
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
    if document["reason"] and document["reason"]["kind"] == "two-devices":
        left, right = _result_of(verdict["left"]), _result_of(verdict["right"])
        return report | compare_between_sessions(left, right, noises, margin)
    return report | _judge(document, medians, margin)


def rebuild_report(report: Json, verdict_path: FilePath, table: FilePath, record: FilePath) -> Json:
    """Return the report built again from the evidence that it names, to compare it with its claims."""
    noise_paths = [noise["file"] for noise in report["noise"]]
    return build_report(verdict_path, table, record, report["margin_requested"], noise_paths)


def _smallest_margin(noise: Json | None, pairs: int) -> float:
    """Return the detectable effect of a device for so many pairs, as a margin; 0 where that is not known."""
    if noise is None or pairs < 2 or not noise["log_sd"]:
        return 0.0
    return detectable_effect(noise["log_sd"], pairs) - 1


def _result_of(side: Json) -> Json:
    """Return the result that a side of a verdict is about; UserError if it was measured again since."""
    path = f"{run_folder(Cell(*(side['cell'][field] for field in Cell._fields)))}/result.json"
    if sha256_file(path) != side["result_sha256"]:
        raise UserError(f"{path}: its sha256 is not the one judged; run the workflow again")
    return read_result(path)


def _judge(document: Json, medians: Mapping[str, npt.NDArray[np.float64]], margin: float) -> Json:
    reason = document["reason"]
    if document["status"] != "measured":
        verdict = "unstable" if reason["kind"] == "unstable" else "not-comparable"
        return {"verdict": verdict, "explanation": reason["message"]}
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


def render_markdown(report: Json) -> str:
    """Return the report as Markdown, without any number if there is no effect."""
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
    for noise in report["noise"]:
        lines += ["", _describe_noise(noise)]
    if report["margin"] > report["margin_requested"]:
        lines += ["", f"The margin asked for, ±{report['margin_requested']:.1%}, is smaller than this device can see."]
    if report["further_pairs"]:
        lines += ["", f"About {report['further_pairs']} further pairs would decide: raise `pairs` of this comparison."]
    if report["provenance"] != "measured":
        lines += ["", f"These times are **{report['provenance']}**, not measured."]
    return "\n".join(lines) + "\n"


def _describe_noise(noise: Json) -> str:
    simulated = " (**simulated**)" if noise["provenance"] == "simulated" else ""
    return (
        f"Device `{noise['device']}`{simulated} is {noise['fitness']} for measuring: it sees differences from "
        f"{noise['detectable_effect'] - 1:.2%} on, and calls {noise['false_rate']:.2%} of A/A comparisons different."
    )


def _bound(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


def _cell(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
