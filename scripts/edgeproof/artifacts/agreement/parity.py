"""Parity: whether an artifact still computes what its fp32 source computes, on the evaluation samples.

The candidate runs with the runtime options of its preset, the source in plain ONNX Runtime on this machine's CPU. The
verdict is `passed` or `failed`, or `not_run` if one of the two has no outputs to compare.
"""

import dataclasses
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from edgeproof.artifacts.records.manifests import verify_manifest
from edgeproof.core.attempts import open_attempt
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, keep_file, sha256_file
from edgeproof.core.layout import locate
from edgeproof.core.tensors import write_tensors
from edgeproof.remote.boards import identify_machine
from edgeproof.remote.device_links import find_remote_device
from edgeproof.sources.chosen_rows import find_choosing_operators

from .detections import list_row_outputs
from .divergence import leave_layers, locate_divergence, name_diverging_layer
from .execution import Inference, infer_on_board, infer_outputs
from .output_agreement import (
    METRICS,
    UNKNOWN,
    Entries,
    count_not_finite,
    describe_shape,
    find_parting,
    find_worst_sample,
    measure_agreement,
    pair_outputs,
    summarise_agreement,
)
from .parity_attempts import PARITY, REFERENCE, compose_parity_key, find_comparison, reuse_comparison
from .parity_limits import THRESHOLDS, advise_matching, judge_document
from .task_accuracy import judge_by_task

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

_BY_VALUES = ("threshold_missed", "outputs_differ")  # kinds of reasons that may come from random values in the source
_AGAIN, _SAME = 4, 1e-4  # samples to run again; the relative L2 that threads may make between two runs


@dataclasses.dataclass(frozen=True)
class ParityJob:
    """One check of parity. Every path may be a string or a Path.

    `cell`: model, preset, builder, precision. `source`: the fp32 ONNX file. `artifact`, `manifest`: what was built.
    `inputs`: the evaluation set, `samples` its samples.json. `arm`: backend, precision and runtime options of the
    candidate. `task`: the model's, which says what its outputs mean; `judge` is how it is judged, if it says so itself
    (see `core.tasks`). `declared`: accuracies that were measured elsewhere, for the record. `thresholds`: the preset's
    parity entry of this precision, keys of THRESHOLDS; outputs of integers, booleans and texts, and rows of a detector,
    have limits of their own where it has none for them. `interpreter`: the Python that has the candidate's runtime,
    `toolchains` the records of environments that it belongs to. `parity`: JSON to write. `reference`: npz to write.
    `command`: for the record.
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
    toolchains: list[str] = dataclasses.field(default_factory=list)
    task: str = "none"
    judge: Json | None = None
    declared: list[Json] | None = None


def check_parity(job: ParityJob) -> None:
    """Compare an artifact with its source on the evaluation set, and write `job.parity` (`edgeproof.parity.v4`).

    The source runs in the Python that runs this. `job.reference` gets `outputs/{name}`, the candidate's outputs on the
    first sample; runs compare the outputs of a device with them. It is empty if the candidate has no outputs. UserError
    if the files do not belong together or were changed, or there is no verdict (see `infer_outputs`).
    """
    begin = time.monotonic()
    built, samples, evaluation = _check_job(job)
    document = {
        "schema": "edgeproof.parity.v4",
        "cell": job.cell,
        "task": job.task,
        "status": "not_run",
        "reason": None,
        "trivial": False,
        "provenance": "simulated" if job.arm["backend"] == "fake" else "measured",
        "source_sha256": built["source"]["sha256"],
        "artifact_sha256": built["artifact"]["sha256"],
        "manifest_sha256": sha256_file(job.manifest),
        "evaluation": {"file": locate(job.inputs), **evaluation},
        "arm": job.arm,
        "runtimes": {"reference": None, "candidate": None},
        "metrics": dict.fromkeys(METRICS),
        "absent": dict.fromkeys(METRICS, "the outputs were not compared"),
        "accuracy": None,
        **({"declared": job.declared} if job.declared else {}),
        "outputs": [],
        "command": job.command,
    }
    if built["status"] == "failed":
        document["reason"] = {"kind": "build_failed", "message": built["reason"]["message"]}
    elif samples.get("status") == "failed":
        document["reason"] = {"kind": "samples_failed", "message": samples["reason"]["message"]}
    if document["reason"]:
        judge_document(document, job.thresholds)
        _write_reference(document, {}, Path(job.reference))
        write_sealed(job.parity, {**document, "duration_s": round(time.monotonic() - begin, 3)}, "parity")
        return
    key = compose_parity_key(document, built, job.interpreter, job.toolchains, job.judge)
    if kept := find_comparison(job.parity, key):
        names = ("cell", "manifest_sha256", "evaluation", "command", "declared")
        today = {name: document[name] for name in names if name in document}
        reuse_comparison(kept, today, job.thresholds, job.parity, job.reference)
        return
    with open_attempt(Path(job.parity).parent, "parity", key, identify_machine(job.cell["builder"])) as attempt:
        first, worst = _compare(document, job)
        judge_document(document, job.thresholds)
        if document["status"] == "failed" and document["reason"]["kind"] in _BY_VALUES:
            _name_randomness(document, job)
        if worst is not None and document["status"] == "failed":
            _enter_divergence(document, job, worst)
        _write_reference(document, first, attempt.folder / REFERENCE)
        document["reference"]["file"] = locate(job.reference)
        document["duration_s"] = round(time.monotonic() - begin, 3)
        write_sealed(attempt.folder / PARITY, document, "parity")
        keep_file(attempt.folder / REFERENCE, job.reference)
        atomic_write(job.parity, (attempt.folder / PARITY).read_bytes())
        if _lacks_runtime(document):  # the runtime may be installed tomorrow: the same key then has another answer
            attempt.fail("no_runtime", document["reason"]["message"])
        else:
            attempt.complete(status=document["status"], worst_sample=worst)


def _name_randomness(document: Json, job: ParityJob) -> None:
    """Say that the source does not agree with itself, if that is so: then nothing can agree with it."""
    twice = [infer_outputs(sys.executable, REFERENCE_ARM, job.source, job.inputs, limit=_AGAIN).outputs for _ in "ab"]
    pairs = pair_outputs(twice[0] or {}, twice[1] or {})
    for name, left, _, right in pairs if not isinstance(pairs, str) else ():
        agreement = None if find_parting(name, left, right) else measure_agreement(left, right)
        if agreement is None or (agreement.relative_l2 or 0) > _SAME or (agreement.equal_share or 1) < 1:
            message = (
                f"the source is not deterministic: run twice on the same samples, its output {name!r} differs from "
                "itself; export the model without its random operators"
            )
            document.update(status="not_run", reason={"kind": "not_deterministic", "message": message})
            document.pop("divergence", None)
            return


def _enter_divergence(document: Json, job: ParityJob, worst: int) -> None:
    """Find the layer where a failed artifact begins to differ. `worst`: the sample that agrees least."""
    arms, interpreters = (REFERENCE_ARM, job.arm), (sys.executable, job.interpreter)
    lines = document["thresholds"]
    if find_remote_device(job.cell["builder"]):
        document["divergence"] = leave_layers(worst, lines, "layers are compared only on this machine")
        return
    document["divergence"] = locate_divergence(job.source, job.artifact, job.inputs, worst, arms, interpreters, lines)
    name_diverging_layer(document)


def _write_reference(document: Json, first: dict[str, np.ndarray], path: Path) -> None:
    write_tensors(path, {f"outputs/{name}": array for name, array in first.items()})
    document["reference"] = {"file": locate(path), "sha256": sha256_file(path), "outputs": sorted(first)}


def _lacks_runtime(document: Json) -> bool:
    return document["status"] == "not_run" and document["reason"]["kind"] == "provider_unavailable"


def _compare(document: Json, job: ParityJob) -> tuple[dict[str, np.ndarray], int | None]:
    """Run both arms and enter the results into the document.

    Returns the candidate's outputs on the first sample, and the index of the sample that agrees least (None if the
    outputs have no distance).
    """
    arm, inputs = job.arm, job.inputs
    candidate = _infer_candidate(job)
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
    worst = None
    if expected.reason or expected.outputs is None:
        assert expected.reason is not None, "an inference without outputs has a reason"
        message = f"the source model does not run: {expected.reason['message']}"
        document["reason"] = {"kind": "reference_failed", "message": message}
    else:
        same_graph = document["artifact_sha256"] == document["source_sha256"]
        document["trivial"] = fake or (same_graph and expected.runtime == candidate.runtime)
        pair = expected.outputs, candidate.outputs
        _fill_agreement(document, pair, list_row_outputs(job.judge), find_choosing_operators(job.source))
        if document["outputs"]:
            pairs = pair_outputs(expected.outputs, candidate.outputs)
            worst = find_worst_sample([(pair[1], pair[3]) for pair in pairs if not isinstance(pair, str)])
        if document["status"] != "failed":
            judge_by_task(document, (expected.outputs, candidate.outputs), inputs, job.judge)
    return {name: entries[0] for name, entries in candidate.outputs.items()}, worst


def _infer_candidate(job: ParityJob) -> Inference:
    """Return the outputs of the artifact, where it runs: on a board that has built it, or here."""
    device = find_remote_device(job.cell["builder"])
    if device is not None:
        return infer_on_board(device, job.arm, job.artifact, job.inputs, None)
    return infer_outputs(job.interpreter, job.arm, job.artifact, job.inputs)


def _fill_agreement(
    document: Json,
    both: tuple[dict[str, Entries], dict[str, Entries]],
    rows: Collection[str],
    chosen: Mapping[str, str],
) -> None:
    """Compare the outputs one by one; what cannot be compared fails, and the others are compared all the same.

    `both`: outputs of source and artifact. `rows`: outputs that are rows of a detector, which are matched and not
    compared in order. `chosen`: {output: the operator that chooses its rows}.
    """
    pairs = pair_outputs(*both)
    if isinstance(pairs, str):
        document.update(status="failed", reason={"kind": "outputs_differ", "message": pairs})
        return
    broken, parted = [], []
    for name, left, other, right in pairs:
        in_rows = name in rows
        parting = None if in_rows else find_parting(name, left, right)
        numbers = {side: count_not_finite(entries) for side, entries in (("source", left), ("artifact", right))}
        broken += [
            f"output {name!r} of the {side} has {number} values that are not finite, the first in sample {sample}"
            for side, (number, sample) in numbers.items()
            if number
        ]
        parted += [parting + advise_matching(chosen.get(name))] if parting else []
        agreement = dataclasses.asdict(UNKNOWN if parting or in_rows else measure_agreement(left, right))
        agreement["lowest_cosines"] = [{"sample": s, "cosine": cosine} for s, cosine in agreement["lowest_cosines"]]
        if document["task"] != "classification":
            agreement["top1_agreement"] = None
        document["outputs"].append(
            {
                "name": name,
                "candidate_name": other,
                "dtype": left[0].dtype.name,
                "candidate_dtype": right[0].dtype.name,
                "shape": describe_shape(left),
                "parting": parting,
                "judged_by": "rows" if in_rows else "values",
                "chosen_by": chosen.get(name),
                "not_finite": {"reference": numbers["source"][0], "candidate": numbers["artifact"][0]},
                **agreement,
            }
        )
    if broken:
        document.update(status="failed", reason={"kind": "not_finite", "message": "; ".join(broken)})
        document["absent"] = dict.fromkeys(METRICS, "outputs that are not finite have no distance")
        return
    if parted:
        document.update(status="failed", reason={"kind": "outputs_differ", "message": "; ".join(parted)})
    document["metrics"], document["absent"] = summarise_agreement(document["outputs"])
    if document["task"] != "classification":
        document["absent"]["top1_agreement"] = f"the model's task is {document['task']}, not classification"


def _check_job(job: ParityJob) -> tuple[Json, Json, Json]:
    """Return the manifest, samples.json and a description of the evaluation set; UserError if they don't fit."""
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
    return built, known, {"sha256": actual, "count": known["evaluation"]["count"], "labels": known["labels"]}
