"""The samples of a stage: the outputs of the stages before it on the whole model's samples."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from edgeproof.agent.inputs_format import WHOLE_INPUTS
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.tensors import read_tensors

from .input_faults import InputFault, find_samples_fault
from .samples import (
    ANSWERS,
    Samples,
    count_samples,
    digest_samples,
    mark_whole_inputs,
    order_samples,
    write_no_samples,
    write_sample_sets,
)
from .samples_record import read_samples_kind

_SETS = ("calibration", "evaluation")


def make_stage_samples(identity: str | Path, before: list[Json], counts: dict[str, int], folder: Path) -> None:
    """Write a stage's samples into `folder`: calibration.npz, evaluation.npz, samples.json (`edgeproof.samples.v2`).

    `identity`: of the stage. `before`: {model, calibration, evaluation} of each stage that it reads, whose model ONNX
    Runtime runs; for a stage that reads none, the samples of the whole model, and no `model`. `counts`: {evaluation,
    calibration}, how many samples to take, from the first on. If there is no such stage or there are no samples before
    it, both sets are empty and `samples.json` says why. UserError if a set has fewer, a value is not finite, or two
    different samples have become equal.
    """
    known, sets = read_json(identity, "identity"), {}
    paths = (folder / "calibration.npz", folder / "evaluation.npz", folder / "samples.json")
    if fault := _find_fault(known, before):
        write_no_samples(known, "stage", fault, paths)
        return
    for name in _SETS:
        made = [_take_samples(stage, name, counts[name]) for stage in before]
        sets[name] = order_samples(known, {key: value for arrays in made for key, value in arrays.items()})
        _check_set(known, name, sets[name])
    if set(digest_samples(sets["calibration"])) & set(digest_samples(sets["evaluation"])):
        raise UserError(
            f"{known['model']}: a calibration sample and an evaluation sample have become equal; cut elsewhere"
        )
    facts = {"kind": "stage", "origin": _describe_origin(before, counts), "seed": None}
    if kind := read_samples_kind(before[0]["evaluation"]):
        facts["drawn_from"] = kind
    marked = [mark_whole_inputs(known, sets[name]) for name in _SETS]
    write_sample_sets(known, facts, (marked[0], marked[1]), paths)


def _take_samples(stage: Json, name: str, wanted: int) -> Samples:
    """Return what a stage makes of the first samples of its set; without a model these samples themselves."""
    arrays = {key: value for key, value in read_tensors(stage[name]).items() if key not in ANSWERS}
    if (have := count_samples(arrays)) < wanted:
        raise UserError(f"{stage[name]}: has {have} samples; the pipeline wants {wanted} ({name})")
    arrays = {key: value if key == WHOLE_INPUTS else value[:wanted] for key, value in arrays.items()}
    return run_samples(stage["model"], arrays) if stage.get("model") else arrays


def _find_fault(known: Json, before: list[Json]) -> InputFault | None:
    """Return what is permanently wrong with a stage or with the samples before it."""
    if known.get("status") == "failed":
        return InputFault("no_model", known["reason"]["message"])
    reason = next(filter(None, (find_samples_fault(stage["evaluation"]) for stage in before)), None)
    return InputFault(**reason) if reason else None


def run_samples(model: str | Path, arrays: Samples) -> Samples:
    """Return the samples of the next stage: a model's outputs for one sample at a time, `{inputs/{name}: (n, …)}`."""
    try:
        session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common class
        text = " ".join(str(error).split())[:300]
        raise UserError(
            f"{model}: ONNX Runtime cannot load this stage, so there are no samples for the next: {text}"
        ) from error
    names, whole = [value.name for value in session.get_outputs()], set(arrays.get(WHOLE_INPUTS, ()))
    inputs = {key.removeprefix("inputs/"): value for key, value in arrays.items() if key != WHOLE_INPUTS}
    rows: list[Any] = [
        session.run(names, {key: value[i, ...] if key in whole else value[i : i + 1] for key, value in inputs.items()})
        for i in range(count_samples(arrays))
    ]
    return {f"inputs/{name}": np.concatenate([row[i] for row in rows]) for i, name in enumerate(names)}


def _check_set(identity, where, arrays):
    expected = {f"inputs/{item['name']}": item for item in identity["inputs"]}
    if set(arrays) != set(expected):
        raise UserError(f"{identity['model']}: needs {sorted(expected)}, but the stage before has {sorted(arrays)}")
    for name, item in expected.items():
        array = arrays[name]
        entry = item["shape"] if item["name"] in identity.get("whole_inputs", ()) else item["shape"][1:]
        if array.dtype.name != item["dtype"] or list(array.shape[1:]) != entry:
            raise UserError(
                f"{identity['model']}: {name} takes {item['dtype']} {item['shape']}, the {where} set has"
                f" {array.dtype.name} {list(array.shape)}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise UserError(f"{identity['model']}: {name} has values that are not finite in the {where} set")


def _describe_origin(before, counts):
    origin = "outputs of the stages before, run by ONNX Runtime, on" if before[0].get("model") else "the first of"
    used = "" if counts["calibration"] > 1 else "; nothing is calibrated, so one sample stands for the calibration set"
    return f"{origin} the whole model's samples{used}"
