"""How far the outputs of two models agree on the same samples: differences, angles, and the class they decide for.

Integers and booleans (classes, indices, masks) have no distance and no angle: class 7 is not near class 8. Of them the
share of values that are equal is counted.

Everything is computed in float64 from the outputs as they are. What is undefined is None, and whoever asks is told why.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgeproof.core.configuration import Json

OutputPair = tuple[str, np.ndarray, str, np.ndarray]  # name and array of the source, name and array of the artifact
_WORST = {
    "max_abs": max,
    "absolute_l2": max,
    "relative_l2": max,
    "cosine_min": min,
    "cosine_mean": min,
    "top1_agreement": min,
    "equal_share": min,
}
METRICS = (*_WORST, "relative_accuracy")


@dataclass(frozen=True)
class Agreement:
    """Agreement of one output over n samples; candidate against reference.

    `max_abs`, `absolute_l2`: largest and Euclidean difference, in the unit of the output. `relative_l2`: `absolute_l2`
    divided by the norm of the reference, over all samples together; None when the reference is all zero and the
    candidate is not. `cosine_min`, `cosine_mean`: cosine similarity per sample (1 for two zero vectors, 0 for one).
    `top1_agreement`: share of samples with the same largest score, None when the output does not look like class
    scores. `equal_share`: share of values that are equal, and all else None, where the reference is of integers or
    booleans; None for floats. All None when either side has values that are not finite.
    """

    max_abs: float | None
    absolute_l2: float | None
    relative_l2: float | None
    cosine_min: float | None
    cosine_mean: float | None
    top1_agreement: float | None
    equal_share: float | None


def measure_agreement(reference: np.ndarray, candidate: np.ndarray, count: int) -> Agreement:
    """Return the Agreement of two arrays of one shape `(rows, …)` that hold the outputs of `count` samples.

    Where rows are no multiple of `count` (as many rows per sample as it has objects), the whole is taken as one sample.
    """
    left, right = (split_samples(array, count) for array in (reference, candidate))
    if not (np.isfinite(left).all() and np.isfinite(right).all()):
        return Agreement(None, None, None, None, None, None, None)
    if _is_discrete(reference):
        return Agreement(None, None, None, None, None, None, equal_share=_share_equal(reference, candidate))
    absolute, reference_norm = _norm(right - left), _norm(left)
    cosines = [_cosine(a, b) for a, b in zip(left, right, strict=True)]
    scores = decides_for_class(reference, count) and decides_for_class(candidate, count)
    return Agreement(
        max_abs=float(np.abs(right - left).max(initial=0.0)),
        absolute_l2=absolute,
        relative_l2=absolute / reference_norm if reference_norm else (None if absolute else 0.0),
        cosine_min=min(cosines),
        cosine_mean=sum(cosines) / len(cosines),
        top1_agreement=float((left.argmax(1) == right.argmax(1)).mean()) if scores else None,
        equal_share=None,
    )


def pair_outputs(expected: dict[str, np.ndarray], actual: dict[str, np.ndarray]) -> list[OutputPair] | str:
    """Return the outputs that are to agree, in pairs, or a text that says why they do not correspond.

    A pair is `(name, reference, candidate name, candidate)`. They are paired by name if the names are the same, else by
    position, since converters rename outputs.
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


def summarise_agreement(outputs: list[Json]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return `(metrics, absent)`: the worst agreement of all outputs by each metric, and why a metric is None."""
    metrics, absent = dict.fromkeys(METRICS), {"relative_accuracy": "accuracy was not measured"}
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


def _is_discrete(array: np.ndarray) -> bool:
    """Tell whether values are integers or booleans, which are equal or not."""
    return array.dtype.kind in "iub"


def decides_for_class(array: np.ndarray, count: int) -> bool:
    """Tell whether an output decides for a class, so that the agreement of classes can be counted.

    It has one floating-point score per class: one vector of at least two per sample.
    """
    if array.dtype.kind != "f" or array.ndim < 2 or array.shape[0] != count:
        return False
    wide = [size for size in array.shape[1:] if size != 1]
    return len(wide) == 1 and wide[0] >= 2


def agree_with_labels(array: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return booleans `(n,)`: where an output `(n, …)` decides for the class that is the label, int64 `(n,)`."""
    return array.reshape(len(labels), -1).argmax(1) == labels


def count_not_finite(array: np.ndarray, count: int) -> tuple[int, int | None]:
    """Return `(number of values of an output that are not finite, first sample with one)`; (0, None) without any."""
    broken = ~np.isfinite(split_samples(array, count))
    return (int(broken.sum()), int(broken.any(1).argmax())) if broken.any() else (0, None)


def find_worst_sample(pairs: Iterable[tuple[np.ndarray, np.ndarray]], count: int) -> int:
    """Return the index of the sample that agrees least, over all outputs: `pairs` is `[(reference, candidate)]`.

    A sample with values that are not finite in the candidate only is worst; then the largest L2 distance relative to
    the norm of the whole reference decides, of integers and booleans the share that differs. 0 where samples cannot be
    told apart.
    """
    worst = np.zeros(count)
    for reference, candidate in pairs:
        left, right = (split_samples(array, count) for array in (reference, candidate))
        if len(left) == count:
            broken = ~np.isfinite(right).all(1) & np.isfinite(left).all(1)
            both = np.isfinite(left) & np.isfinite(right)
            finite = np.where(both, right, 0.0) - np.where(both, left, 0.0)
            scale = _norm(np.nan_to_num(left, posinf=0.0, neginf=0.0)) or 1.0
            distances = (left != right).mean(1) if _is_discrete(reference) else [_norm(row) / scale for row in finite]
            worst = np.maximum(worst, np.where(broken, np.inf, distances))
    return int(worst.argmax())


def split_samples(array: np.ndarray, count: int) -> np.ndarray:
    """Return an output as float64 `(count, values per sample)`, to measure how far samples agree.

    `(1, values)` where rows do not fit.
    """
    rows = count if array.ndim and len(array) and len(array) % count == 0 else 1
    return array.astype(np.float64).reshape(rows, -1)


def _share_equal(reference, candidate):
    return float((reference == candidate).mean()) if reference.size else 1.0


def _norm(array):
    largest = float(np.abs(array).max(initial=0.0))
    return largest * float(np.linalg.norm(array / largest)) if largest else 0.0  # scaled: squares must not overflow


def _cosine(a, b):
    if np.array_equal(a, b):
        return 1.0  # and not 1 - 2e-16
    a_largest, b_largest = np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0)
    if not a_largest or not b_largest:
        return 0.0
    a, b = a / a_largest, b / b_largest
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))
