"""Parity: whether an artifact still computes what its fp32 source computes, on the evaluation samples.

The candidate runs with the runtime options of its preset, the source in plain ONNX Runtime on the CPU of this machine.
Parity is a verdict, `passed` or `failed`; `not_run` where there is nothing to compare, or nothing to compare with.
"""

import dataclasses
import sys
import time
import zipfile

import numpy as np

from edgeproof.artifacts.records.manifests import verify_manifest
from edgeproof.core.accuracy import bootstrap_accuracy_difference
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


def check_parity(
    cell, source, artifact, manifest, inputs, samples, arm, thresholds, interpreter, parity, reference, command
):
    """Compare `artifact` with `source` on the evaluation set `inputs`, and write `parity` (`edgeproof.parity.v2`).

    `arm`: backend, precision and runtime options of the candidate. `thresholds`: the preset's parity entry of this
    precision, keys of THRESHOLDS; where outputs are integers or booleans, DEFAULT_EQUAL_SHARE holds unless it says
    otherwise. `interpreter`: the Python that has the candidate's runtime; the reference runs in the
    one that runs this. `reference`: npz that gets `outputs/{name}`, the candidate's outputs on the first sample, with
    which runs compare what a device computes; it holds nothing when the candidate made none.
    UserError when the files do not belong together or were changed, or when there is no verdict (see `infer_outputs`).
    """
    begin = time.monotonic()
    described = _check_job(cell, source, artifact, manifest, inputs, samples, arm, thresholds)
    built, evaluation = described["built"], described["evaluation"]
    document = {
        "schema": "edgeproof.parity.v2",
        "cell": cell,
        "status": "not_run",
        "reason": None,
        "trivial": False,
        "provenance": "simulated" if arm["backend"] == "fake" else "measured",
        "source_sha256": built["source"]["sha256"],
        "artifact_sha256": built["artifact"]["sha256"],
        "manifest_sha256": sha256_file(manifest),
        "evaluation": {"file": locate(inputs), **evaluation},
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
        first, worst = _compare(document, source, artifact, inputs, arm, interpreter)
    if document["metrics"]["equal_share"] is not None:
        thresholds = {"min_equal_share": DEFAULT_EQUAL_SHARE} | thresholds
    document["thresholds"] = judge_thresholds(thresholds, document["metrics"], document["absent"])
    _conclude(document)
    if worst is not None and document["status"] == "failed":
        arms, interpreters = (REFERENCE_ARM, arm), (sys.executable, interpreter)
        lines = document["thresholds"]
        found = locate_divergence(source, artifact, inputs, worst, arms, interpreters, lines)
        document["divergence"] = found
        if found["first"]:
            document["reason"]["message"] += f"; first diverging layer: {found['first']['node']}"
    write_tensors(reference, {f"outputs/{name}": array for name, array in first.items()})
    document["reference"] = {"file": locate(reference), "sha256": sha256_file(reference), "outputs": sorted(first)}
    document["command"] = command
    document["duration_s"] = round(time.monotonic() - begin, 3)
    write_sealed(parity, document, "parity")


def judge_thresholds(thresholds, metrics, absent):
    """Return one line per threshold: name, metric, value, limit, passed, reason.

    `passed` is None beside a reason when the metric is not known: what was not measured has not passed.
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


def _compare(document, source, artifact, inputs, arm, interpreter):
    """Run both arms and fill in what was found.

    Returns the candidate's outputs on the first sample, and the index of the sample that agrees least (None where the
    outputs have no distance to compare).
    """
    candidate = infer_outputs(interpreter, arm, artifact, inputs)
    fake = arm["backend"] == "fake"  # it simulates no model in particular, so it is compared with itself
    if candidate.reason is None and not fake:
        expected = infer_outputs(sys.executable, REFERENCE_ARM, source, inputs)
    else:
        expected = candidate
    document["runtimes"] = {"reference": expected.runtime, "candidate": candidate.runtime}
    if candidate.reason:
        # A runtime that is not to be had on this machine says nothing about the artifact.
        absent = candidate.reason["kind"] == "provider_unavailable"
        document.update(status="not_run" if absent else "failed", reason=candidate.reason)
        return {}, None
    count, worst = document["evaluation"]["count"], None
    if expected.reason:
        message = f"the source model does not run: {expected.reason['message']}"
        document["reason"] = {"kind": "reference_failed", "message": message}
    else:
        same_graph = document["artifact_sha256"] == document["source_sha256"]
        document["trivial"] = fake or (same_graph and expected.runtime == candidate.runtime)
        _fill_agreement(document, expected.outputs, candidate.outputs, count)
        if document["outputs"]:
            worst = find_worst_sample([pair[1::2] for pair in pair_outputs(expected.outputs, candidate.outputs)], count)
        if document["status"] != "failed":
            _fill_accuracy(document, expected.outputs, candidate.outputs, read_answers(inputs))
    if all(array.ndim and len(array) == count for array in candidate.outputs.values()):
        return {name: array[:1] for name, array in candidate.outputs.items()}, worst
    return infer_outputs(interpreter, arm, artifact, inputs, limit=1).outputs or {}, worst  # rows per sample vary


def pair_outputs(expected, actual):
    """Return `[(name, reference, candidate name, candidate)]`, or as text why the outputs do not correspond.

    By name where the names are the same, else by position: converters rename outputs.
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


def read_answers(inputs):
    """Return what an evaluation set holds of `labels`, int64 `(n,)`, and `targets`, float32 `(n, …)`, by name."""
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


def summarise_outputs(outputs):
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
    """Judge the first output against labels or targets; accuracy stays None beside a reason where that cannot be."""
    count, absent, labels = document["evaluation"]["count"], document["absent"], answers.get("labels")
    name, left, _, right = pair_outputs(expected, actual)[0]
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
    """Judge a regression: its error with a paired interval, and R² as what `relative_accuracy` is a share of."""
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
    """Set the status from the threshold lines, unless the comparison itself has ended with one."""
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


def _check_job(cell, source, artifact, manifest, inputs, samples, arm, thresholds):
    """Return the manifest (`built`) and what the evaluation set is; UserError unless all belong to one job."""
    if unknown := sorted(set(thresholds) - set(THRESHOLDS)):
        raise UserError(f"--thresholds: unknown key {unknown[0]!r}; known keys are {', '.join(THRESHOLDS)}")
    if set(arm) != {"backend", "precision", "runtime"}:
        raise UserError(f"--arm has keys {sorted(arm)}; backend, precision and runtime are needed")
    built = verify_manifest(manifest, artifact, source)
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
