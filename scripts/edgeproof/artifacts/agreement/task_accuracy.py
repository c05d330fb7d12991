"""How well two models do the task that the model declares, on the same samples: accuracy, error, mAP or a score.

What the numbers mean is a matter of the declared task, never of a shape: 640 outputs of an autoencoder have no top-1.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgeproof.core.accuracy import bootstrap_accuracy_difference
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.rmse import bootstrap_error_difference

from .detections import judge_rows, read_labels, read_rows, share_matched_rows
from .evaluators import judge_scores
from .output_agreement import Entries, agree_with_labels, decides_for_class, describe_shape, pair_outputs

_SEED = 0  # of the bootstrap intervals


def judge_by_task(
    document: Json, both: tuple[Mapping[str, Entries], Mapping[str, Entries]], inputs: str | Path, judge: Json | None
) -> None:
    """Enter into a parity document the accuracy (or error, mAP, score) of both models in their task.

    Where that is not known, `absent` says why. `both`: the outputs of the source and of the artifact. `inputs`: the
    evaluation set, with its labels or targets. `judge`: how the task is judged, if it is no word (see `core.tasks`).
    """
    pairs = pair_outputs(*both)
    assert not isinstance(pairs, str), "outputs that do not correspond have failed before"
    renamed = {name: entries for name, _, _, entries in pairs}
    if judge and "detection" in judge:
        _fill_detection(document, both[0], renamed, judge["detection"])
        return
    if judge:
        document["score"] = judge_scores(judge["evaluator"], (both[0], renamed), inputs)
        _fill_share(
            document, document["score"]["reference"], document["score"]["candidate"], "has a score of 0 or less"
        )
        return
    name, left, _, right = pairs[0]
    answers, absent = _read_answers(inputs), document["absent"]
    if document["task"] == "none":
        absent["relative_accuracy"] = "the model declares no task"
    elif document["task"] == "regression" and "targets" in answers:
        _fill_error(document, answers["targets"], name, left, right)
    elif document["task"] == "classification" and "labels" in answers:
        _fill_accuracy(document, answers["labels"], name, left, right)
    else:
        wanted = "targets" if document["task"] == "regression" else "labels"
        absent["relative_accuracy"] = f"the evaluation set has no {wanted}"


def _fill_detection(
    document: Json, expected: Mapping[str, Entries], actual: Mapping[str, Entries], options: Json
) -> None:
    """Match the rows of both detectors, and judge both against the labels, where the model names any."""
    rows = [read_rows(outputs, options) for outputs in (expected, actual)]
    share = share_matched_rows(rows[0], rows[1], options)
    document["metrics"]["matched_share"] = share
    if share is None:
        document["absent"]["matched_share"] = "no row has a score above the threshold"
    else:
        del document["absent"]["matched_share"]
    if "labels" not in options:
        document["absent"]["relative_accuracy"] = "the model's task.detection names no labels"
        return
    truths = read_labels(options["labels"], options)
    if len(truths) != len(rows[0]):
        raise UserError(
            f"{options['labels']}: has {len(truths)} images, and the evaluation set {len(rows[0])} samples; both must "
            "be the same images in the same order"
        )
    document["detection"] = judge_rows(rows[0], rows[1], truths, options)
    base, found = (document["detection"][side]["map"] for side in ("reference", "candidate"))
    _fill_share(document, base, found, "has a mAP of 0")


def _fill_share(document: Json, base: float | None, found: float | None, why: str) -> None:
    """Enter what the artifact reaches as a share of what the source does, or that the source is no measure."""
    if base is not None and found is not None and base > 0:
        document["metrics"]["relative_accuracy"] = max(0.0, found / base)
        document["absent"].pop("relative_accuracy", None)
    else:
        document["absent"]["relative_accuracy"] = f"the source {why}"


def _read_answers(inputs: str | Path) -> dict[str, np.ndarray]:
    """Return `labels`, int64 `(n,)`, and `targets`, float32 `(n, …)`, of an evaluation set, as far as it has them."""
    with np.load(inputs, allow_pickle=False) as archive:
        return {name: archive[name] for name in ("labels", "targets") if name in archive.files}


def _fill_accuracy(document: Json, labels: np.ndarray, name: str, left: Entries, right: Entries) -> None:
    """Judge the first output against labels."""
    absent = document["absent"]
    if not (decides_for_class(left) and decides_for_class(right) and len(left) == len(labels)):
        absent["relative_accuracy"] = f"output {name!r} of shape {describe_shape(left)} is not one score per class"
        return
    answers = [agree_with_labels(entries, labels) for entries in (left, right)]
    document["accuracy"] = {
        **dataclasses.asdict(bootstrap_accuracy_difference(*answers, seed=_SEED)),
        "answers": {
            side: "".join("1" if right else "0" for right in own.tolist())
            for side, own in zip(("reference", "candidate"), answers, strict=True)
        },
    }
    found, base = (document["accuracy"][f"{side}_accuracy"] for side in ("candidate", "reference"))
    _fill_share(document, base, found, "has no sample right")


def _fill_error(document: Json, targets: np.ndarray, name: str, left: Entries, right: Entries) -> None:
    """Judge a regression: its error with a paired interval, and `relative_accuracy` as a share of the source's R²."""
    size = targets[0].size
    if len(left) != len(targets) or any(entry.size != size for entry in (*left, *right)):
        reason = f"output {name!r} of shape {describe_shape(left)} does not fit targets of {list(targets.shape)}"
        document["absent"]["relative_accuracy"] = reason
        return
    answers = [np.stack(entries).reshape(targets.shape) for entries in (left, right)]
    document["error"] = dataclasses.asdict(bootstrap_error_difference(targets, *answers, seed=_SEED))
    base, found = document["error"]["reference_r2"], document["error"]["candidate_r2"]
    _fill_share(document, base, found, "explains nothing of the targets' variance")
