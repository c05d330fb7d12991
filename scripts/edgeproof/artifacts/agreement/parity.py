"""Parity: whether an artifact still computes what its fp32 source computes, on the evaluation samples.

The candidate runs with the runtime options of its preset, the source in plain ONNX Runtime on this machine's CPU. The
verdict is `passed` or `failed`, or `not_run` if one of the two has no outputs to compare.
"""

import dataclasses
import sys
import time
import zipfile
from pathlib import Path

import numpy as np

from edgeproof.artifacts.records.manifests import verify_manifest
from edgeproof.core.accuracy import bootstrap_accuracy_difference
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import locate
from edgeproof.core.rmse import bootstrap_error_difference
from edgeproof.core.tensors import write_tensors

from .divergence import locate_divergence
from .execution import infer_outputs
from .output_agreement import (
    Agreement,
    count_not_finite,
    find_worst_sample,
    is_class_scores,
    judge_answers,
    measure_agreement,
)

REFERENCE_ARM = {
    "backend": "onnxruntime",
    "precision": "fp32",
    "runtime": {
        "execution_provider": "CPUExecutionProvider",
        "intra_op_threads": 0,
        "inter_op_threads": 1,
        "graph_optimization": "all",
    },
}
SEED = 0  # of the bootstrap interval
THRESHOLDS = {  # key of a preset: metric, and whether the limit is the largest or the smallest value that passes
    "max_relative_l2": ("relative_l2", "largest"),
    "min_cosine": ("cosine_min", "smallest"),
    "min_top1_agreement": ("top1_agreement", "smallest"),
    "min_relative_accuracy": ("relative_accuracy", "smallest"),
    "min_equal_share": ("equal_share", "smallest"),
}
DEFAULT_EQUAL_SHARE = 0.99  # where a preset says nothing of integers and booleans: no other limit judges them
_WORST = {
    "max_abs": max,
    "absolute_l2": max,
    "relative_l2": max,
    "cosine_min": min,
    "cosine_mean": min,
    "top1_agreement": min,
    "equal_share": min,
}
_METRICS = (*_WORST, "relative_accuracy")

OutputPair = tuple[str, np.ndarray, str, np.ndarray]  # name and array of the source, name and array of the artifact


@dataclasses.dataclass(frozen=True)
class ParityJob:
    """One check of parity. Every path may be a string or a Path.

    `cell`: model, preset, builder, precision. `source`: the fp32 ONNX file. `artifact`, `manifest`: what was built.
    `inputs`: the evaluation set, `samples` its samples.json. `arm`: backend, precision and runtime options of the
    candidate. `thresholds`: the preset's parity entry of this precision, keys of THRESHOLDS; integer and boolean
    outputs are judged by DEFAULT_EQUAL_SHARE unless it has a limit for them. `interpreter`: the Python that has the
    candidate's runtime. `parity`: JSON to write. `reference`: npz to write. `command`: for the record.
    """

    cell: dict[str, str]
    source: str | Path
    artifact: str | Path
    manifest: str | Path
    inputs: str | Path
    samples: str | Path
    arm: Json
    thresholds: dict[str, float]
    interpreter: str
    parity: str | Path
    reference: str | Path
    command: list[str]


def check_parity(job: ParityJob) -> None:
    """Compare an artifact with its source on the evaluation set, and write `job.parity` (`edgeproof.parity.v2`).

    The source runs in the Python that runs this. `job.reference` gets `outputs/{name}`, the candidate's outputs on the
    first sample; runs compare the outputs of a device with them. It is empty if the candidate has no outputs. UserError
    if the files do not belong together or were changed, or there is no verdict (see `infer_outputs`).
    """
    begin, arm = time.monotonic(), job.arm
    described = _check_job(job)
    built, evaluation = described["built"], described["evaluation"]
    document = {
        "schema": "edgeproof.parity.v2",
        "cell": job.cell,
        "status": "not_run",
        "reason": None,
        "trivial": False,
        "provenance": "simulated" if arm["backend"] == "fake" else "measured",
        "source_sha256": built["source"]["sha256"],
        "artifact_sha256": built["artifact"]["sha256"],
        "manifest_sha256": sha256_file(job.manifest),
        "evaluation": {"file": locate(job.inputs), **evaluation},
        "arm": arm,
        "runtimes": {"reference": None, "candidate": None},
        "metrics": dict.fromkeys(_METRICS),
        "absent": dict.fromkeys(_METRICS, "the outputs were not compared"),
        "accuracy": None,
        "outputs": [],
    }
    first, worst = {}, None
    if built["status"] == "failed":
        document["reason"] = {"kind": "build_failed", "message": built["reason"]["message"]}
    else:
        first, worst = _compare(document, job)
    thresholds = job.thresholds
    if document["metrics"]["equal_share"] is not None:
        thresholds = {"min_equal_share": DEFAULT_EQUAL_SHARE} | thresholds
    document["thresholds"] = judge_thresholds(thresholds, document["metrics"], document["absent"])
    _conclude(document)
    if worst is not None and document["status"] == "failed":
        arms, interpreters = (REFERENCE_ARM, arm), (sys.executable, job.interpreter)
        lines = document["thresholds"]
        found = locate_divergence(job.source, job.artifact, job.inputs, worst, arms, interpreters, lines)
        document["divergence"] = found
        if found["first"]:
            document["reason"]["message"] += f"; first diverging layer: {found['first']['node']}"
    write_tensors(job.reference, {f"outputs/{name}": array for name, array in first.items()})
    document["reference"] = {
        "file": locate(job.reference),
        "sha256": sha256_file(job.reference),
        "outputs": sorted(first),
    }
    document["command"] = job.command
    document["duration_s"] = round(time.monotonic() - begin, 3)
    write_sealed(job.parity, document, "parity")


def judge_thresholds(
    thresholds: dict[str, float], metrics: dict[str, float | None], absent: dict[str, str]
) -> list[Json]:
    """Return a line for each threshold: name, metric, value, limit, passed, reason.

    If the metric is not known, `passed` is None and there is a reason: what was not measured has not passed.
    """
    lines = []
    for name, limit in sorted(thresholds.items()):
        metric, bound = THRESHOLDS[name]
        value, passed, reason = metrics[metric], None, None
        if value is None:
            reason = absent[metric]
        else:
            passed = value <= limit if bound == "largest" else value >= limit
        lines.append(
            {"name": name, "metric": metric, "value": value, "limit": limit, "passed": passed, "reason": reason}
        )
    return lines


def _compare(document: Json, job: ParityJob) -> tuple[dict[str, np.ndarray], int | None]:
    """Run both arms and enter the results into the document.

    Returns the candidate's outputs on the first sample, and the index of the sample that agrees least (None if the
    outputs have no distance).
    """
    arm, artifact, inputs = job.arm, job.artifact, job.inputs
    candidate = infer_outputs(job.interpreter, arm, artifact, inputs)
    fake = arm["backend"] == "fake"  # it simulates no particular model, so it is compared with itself
    if candidate.reason is None and not fake:
        expected = infer_outputs(sys.executable, REFERENCE_ARM, job.source, inputs)
    else:
        expected = candidate
    document["runtimes"] = {"reference": expected.runtime, "candidate": candidate.runtime}
    if candidate.reason or candidate.outputs is None:
        # A runtime that this machine does not have says nothing about the artifact.
        assert candidate.reason is not None, "an inference without outputs has a reason"
        absent = candidate.reason["kind"] == "provider_unavailable"
        document.update(status="not_run" if absent else "failed", reason=candidate.reason)
        return {}, None
    count, worst = document["evaluation"]["count"], None
    if expected.reason or expected.outputs is None:
        assert expected.reason is not None, "an inference without outputs has a reason"
        message = f"the source model does not run: {expected.reason['message']}"
        document["reason"] = {"kind": "reference_failed", "message": message}
    else:
        same_graph = document["artifact_sha256"] == document["source_sha256"]
        document["trivial"] = fake or (same_graph and expected.runtime == candidate.runtime)
        _fill_agreement(document, expected.outputs, candidate.outputs, count)
        if document["outputs"]:
            pairs = pair_outputs(expected.outputs, candidate.outputs)
            worst = find_worst_sample([(pair[1], pair[3]) for pair in pairs if not isinstance(pair, str)], count)
        if document["status"] != "failed":
            _fill_accuracy(document, expected.outputs, candidate.outputs, read_answers(inputs))
    if all(array.ndim and len(array) == count for array in candidate.outputs.values()):
        return {name: array[:1] for name, array in candidate.outputs.items()}, worst
    return infer_outputs(job.interpreter, arm, artifact, inputs, limit=1).outputs or {}, worst  # rows per sample vary


def pair_outputs(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray]) -> list[OutputPair] | str:
    """Return `[(name, reference, candidate name, candidate)]`, or a text that says why the outputs do not correspond.

    They are paired by name if the names are the same, else by position, since converters rename outputs.
    """
    if len(expected) != len(actual):
        return f"the source has {len(expected)} outputs ({', '.join(expected)}), the artifact {len(actual)}"
    names = list(expected) if set(expected) == set(actual) else list(actual)
    pairs = [(name, expected[name], other, actual[other]) for name, other in zip(expected, names, strict=True)]
    for name, left, _, right in pairs:
        if left.shape != right.shape:
            return f"output {name!r} has shape {list(left.shape)} in the source, {list(right.shape)} in the artifact"
        for side, array in (("source", left), ("artifact", right)):
            if array.dtype.kind not in "fiub":
                return f"output {name!r} is {array.dtype.name} in the {side}; only numbers are compared"
    return pairs


def read_answers(inputs: str | Path) -> dict[str, np.ndarray]:
    """Return `labels`, int64 `(n,)`, and `targets`, float32 `(n, …)`, of an evaluation set, as far as it has them."""
    with np.load(inputs, allow_pickle=False) as archive:
        return {name: archive[name] for name in ("labels", "targets") if name in archive.files}


def _fill_agreement(document, expected, actual, count):
    pairs = pair_outputs(expected, actual)
    if isinstance(pairs, str):
        document.update(status="failed", reason={"kind": "outputs_differ", "message": pairs})
        return
    broken = []
    for name, left, other, right in pairs:
        agreement = measure_agreement(left, right, count)
        numbers = {side: count_not_finite(array, count) for side, array in (("source", left), ("artifact", right))}
        broken += [
            f"output {name!r} of the {side} has {number} values that are not finite, the first in sample {sample}"
            for side, (number, sample) in numbers.items()
            if number
        ]
        document["outputs"].append(
            {
                "name": name,
                "candidate_name": other,
                "dtype": left.dtype.name,
                "candidate_dtype": right.dtype.name,
                "shape": list(left.shape),
                "not_finite": {"reference": numbers["source"][0], "candidate": numbers["artifact"][0]},
                **dataclasses.asdict(agreement),
            }
        )
    if broken:
        document.update(status="failed", reason={"kind": "not_finite", "message": "; ".join(broken)})
        document["absent"] = dict.fromkeys(_METRICS, "outputs that are not finite have no distance")
        return
    document["metrics"], document["absent"] = summarise_outputs(document["outputs"])


def summarise_outputs(outputs: list[Json]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return `(metrics, absent)`: the worst of each metric over all outputs, and why a metric is None."""
    metrics, absent = dict.fromkeys(_METRICS), {"relative_accuracy": "accuracy was not measured"}
    fields = [field.name for field in dataclasses.fields(Agreement)]
    for field in fields:
        values = [item[field] for item in outputs if field == "equal_share" or item["equal_share"] is None]
        known = [value for value in values if value is not None]
        if field == "top1_agreement":
            if not known:
                absent[field] = "no output looks like class scores"
        elif field == "equal_share":
            if not known:
                absent[field] = "no output is of integers or booleans"
        elif not values:
            absent[field] = "integers and booleans have no distance"
        elif len(known) < len(values):
            absent[field], known = "an output of the source is zero throughout", []
        metrics[field] = _WORST[field](known) if known else None
    return metrics, absent


def _fill_accuracy(document, expected, actual, answers):
    """Judge the first output against labels or targets; if that is not possible, accuracy is None with a reason."""
    count, absent, labels = document["evaluation"]["count"], document["absent"], answers.get("labels")
    pairs = pair_outputs(expected, actual)
    assert not isinstance(pairs, str), "outputs that do not correspond have failed before"
    name, left, _, right = pairs[0]
    if labels is None and "targets" in answers:
        _fill_error(document, answers["targets"], name, left, right)
        return
    if labels is None:
        absent["relative_accuracy"] = "the evaluation set has no labels"
        return
    if not (is_class_scores(left, count) and is_class_scores(right, count)):
        absent["relative_accuracy"] = f"output {name!r} of shape {list(left.shape)} is not one score per class"
        return
    answers = [judge_answers(array, labels) for array in (left, right)]
    document["accuracy"] = dataclasses.asdict(bootstrap_accuracy_difference(*answers, seed=SEED))
    correct, base = document["accuracy"]["candidate_accuracy"], document["accuracy"]["reference_accuracy"]
    if base:
        document["metrics"]["relative_accuracy"] = correct / base
        del absent["relative_accuracy"]
    else:
        absent["relative_accuracy"] = "the source has no sample right"


def _fill_error(document, targets, name, left, right):
    """Judge a regression: its error with a paired interval, and `relative_accuracy` as a share of the source's R²."""
    if not targets.shape == left.shape == right.shape:
        reason = f"output {name!r} of shape {list(left.shape)} does not fit targets of {list(targets.shape)}"
        document["absent"]["relative_accuracy"] = reason
        return
    document["error"] = dataclasses.asdict(bootstrap_error_difference(targets, left, right, seed=SEED))
    base, found = document["error"]["reference_r2"], document["error"]["candidate_r2"]
    if base is not None and base > 0:
        document["metrics"]["relative_accuracy"] = max(0.0, found / base)
        del document["absent"]["relative_accuracy"]
    else:
        document["absent"]["relative_accuracy"] = "the source explains nothing of the targets' variance"


def _conclude(document):
    """Set the status from the threshold lines, unless the comparison has set one."""
    if document["reason"] is not None:
        return
    lines = document["thresholds"]
    missed = [
        f"{line['metric']} is {line['value']:.6g}, limit {line['limit']:g}" for line in lines if line["passed"] is False
    ]
    if missed:
        document.update(status="failed", reason={"kind": "threshold_missed", "message": "; ".join(missed)})
    elif lines and all(line["passed"] is None for line in lines):
        message = "; ".join(f"{line['metric']} is unknown: {line['reason']}" for line in lines)
        document["reason"] = {"kind": "metrics_unknown", "message": message}
    else:
        document["status"] = "passed"


def _check_job(job: ParityJob) -> dict[str, Json]:
    """Return the manifest (`built`) and a description of the evaluation set; UserError unless the job is consistent."""
    cell, arm, manifest, inputs, samples = job.cell, job.arm, job.manifest, job.inputs, job.samples
    if unknown := sorted(set(job.thresholds) - set(THRESHOLDS)):
        raise UserError(f"--thresholds: unknown key {unknown[0]!r}; known keys are {', '.join(THRESHOLDS)}")
    if set(arm) != {"backend", "precision", "runtime"}:
        raise UserError(f"--arm has keys {sorted(arm)}; backend, precision and runtime are needed")
    built = verify_manifest(manifest, job.artifact, job.source)
    if built["cell"] != cell:
        raise UserError(f"{manifest}: is about cell {built['cell']}, but --cell says {cell}")
    if (arm["backend"], arm["precision"]) != (built["preset"]["backend"], cell["precision"]):
        raise UserError(f"--arm is {arm['backend']} {arm['precision']}, but {manifest} is about "
                        f"{built['preset']['backend']} {cell['precision']}")  # fmt: skip
    known, actual = read_json(samples, "samples"), sha256_file(inputs)
    if known["evaluation"]["sha256"] != actual:
        raise UserError(f"{inputs}: sha256 is {actual}, but {samples} says {known['evaluation']['sha256']}")
    if known["model_sha256"] != built["source"]["sha256"]:
        raise UserError(f"{samples}: was made for a model with sha256 {known['model_sha256']}, "
                        f"{manifest} is about {built['source']['sha256']}")  # fmt: skip
    with zipfile.ZipFile(inputs) as archive:
        labelled = "labels.npy" in archive.namelist()
    return {"built": built, "evaluation": {"sha256": actual, "count": known["evaluation"]["count"], "labels": labelled}}
