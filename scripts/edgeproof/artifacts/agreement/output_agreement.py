"""How far the outputs of two models agree on the same samples: differences, angles, and the class they decide for.

Integers and booleans (classes, indices, masks) have no distance and no angle: class 7 is not near class 8. Of them the
share of values that are equal is counted.

Everything is computed in float64 from the outputs as they are. What is undefined is None, and whoever asks is told why.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeproof.core.configuration import Json

# One output, an array per sample: a list of them, or one array of all with samples on its first axis.
Entries = Sequence[np.ndarray]
OutputPair = tuple[str, Entries, str, Entries]  # name and entries of the source, name and entries of the artifact
_WORST = {
    "max_abs": max,
    "absolute_l2": max,
    "relative_l2": max,
    "cosine_min": min,
    "cosine_mean": min,
    "l2_without_angle": max,
    "top1_agreement": min,
    "equal_share": min,
}
METRICS = (*_WORST, "matched_share", "relative_accuracy")
_OF_SOME = ("cosine_min", "cosine_mean", "top1_agreement", "equal_share")  # metrics that only some outputs have
_LOWEST = 10  # samples of an output whose cosines are kept


@dataclass(frozen=True)
class Agreement:
    """Agreement of one output over n samples; candidate against reference.

    `max_abs`, `absolute_l2`: largest and Euclidean difference, in the unit of the output. `relative_l2`: `absolute_l2`
    divided by the norm of the reference, over all samples together; None when the reference is all zero and the
    candidate is not. `cosine_min`, `cosine_mean`: cosine similarity over the samples that have an angle. One number has
    none, since its cosine is only its sign, and neither has a vector beside a zero vector (two of them agree: 1).
    `l2_without_angle`: `relative_l2`, where `without_angle`, the number of samples without one, is not 0.
    `lowest_cosines`: (sample, cosine) of those that agree least, the lowest first, at most 10.
    `top1_agreement`: share of samples with the same largest score, None when the output is not one score per class.
    `equal_share`: share of values that are equal, and all else None, where the reference is of integers, booleans or
    texts; None for floats. All None when either side has values that are not finite.
    """

    max_abs: float | None
    absolute_l2: float | None
    relative_l2: float | None
    cosine_min: float | None
    cosine_mean: float | None
    l2_without_angle: float | None
    top1_agreement: float | None
    equal_share: float | None
    without_angle: int = 0
    lowest_cosines: tuple[tuple[int, float], ...] = ()


# Of outputs that are not compared, or have values that are not finite.
UNKNOWN = Agreement(None, None, None, None, None, None, None, None)


def measure_agreement(reference: Entries, candidate: Entries) -> Agreement:
    """Return the Agreement of two outputs that have the same shape in every sample (see `find_parting`)."""
    if count_not_finite(reference)[0] or count_not_finite(candidate)[0]:
        return UNKNOWN
    if _is_discrete(reference):
        return dataclasses.replace(UNKNOWN, equal_share=_share_equal(reference, candidate))
    left, right = _flatten(reference), _flatten(candidate)
    all_left, difference = np.concatenate(left), np.concatenate(right) - np.concatenate(left)
    absolute, reference_norm = _norm(difference), _norm(all_left)
    angles = [_cosine(a, b) for a, b in zip(left, right, strict=True)]
    cosines = {sample: cosine for sample, cosine in enumerate(angles) if cosine is not None}
    relative = absolute / reference_norm if reference_norm else (None if absolute else 0.0)
    scores = decides_for_class(reference) and decides_for_class(candidate)
    equal = [a.argmax() == b.argmax() for a, b in zip(left, right, strict=True)] if scores else []
    return Agreement(
        max_abs=float(np.abs(difference).max(initial=0.0)),
        absolute_l2=absolute,
        relative_l2=relative,
        cosine_min=min(cosines.values(), default=None),
        cosine_mean=sum(cosines.values()) / len(cosines) if cosines else None,
        l2_without_angle=relative if len(cosines) < len(angles) else None,
        top1_agreement=float(np.mean(equal)) if scores else None,
        equal_share=None,
        without_angle=len(angles) - len(cosines),
        lowest_cosines=tuple(sorted(cosines.items(), key=lambda item: (item[1], item[0]))[:_LOWEST]),
    )


def pair_outputs(expected: Mapping[str, Entries], actual: Mapping[str, Entries]) -> list[OutputPair] | str:
    """Return the outputs that are to agree, in pairs, or a text that says why they do not correspond.

    A pair is `(name, reference, candidate name, candidate)`. They are paired by name if the names are the same, else by
    position, since converters rename outputs.
    """
    if len(expected) != len(actual):
        return f"the source has {len(expected)} outputs ({', '.join(expected)}), the artifact {len(actual)}"
    names = list(expected) if set(expected) == set(actual) else list(actual)
    pairs = [(name, expected[name], other, actual[other]) for name, other in zip(expected, names, strict=True)]
    for name, left, _, right in pairs:
        for side, entries in (("source", left), ("artifact", right)):
            if entries[0].dtype.kind not in "fiubU":
                return f"output {name!r} is {entries[0].dtype.name} in the {side}; only numbers and texts are compared"
    return pairs


def find_parting(name: str, reference: Entries, candidate: Entries) -> str | None:
    """Return where the shapes of an output that should agree part, and the first such sample; None for nowhere.

    How many rows an output has may depend on the sample, as that of a detector does.
    """
    if len(reference) != len(candidate):
        return f"output {name!r} has {len(reference)} entries in the source, {len(candidate)} in the artifact"
    parted = [
        index for index, pair in enumerate(zip(reference, candidate, strict=True)) if pair[0].shape != pair[1].shape
    ]
    if not parted:
        return None
    left, right = (list(entries[parted[0]].shape) for entries in (reference, candidate))
    if len(parted) == len(reference) and len({entry.shape for entry in (*reference, *candidate)}) == 2:
        return f"output {name!r} has shape {left} in the source, {right} in the artifact"
    return (
        f"output {name!r} has another shape in {len(parted)} of {len(reference)} samples, first in sample {parted[0]}: "
        f"{left} in the source, {right} in the artifact"
    )


def describe_shape(entries: Entries) -> list[int | str]:
    """Return the shape of an output that is to agree, for one sample; an axis whose size varies by sample is `"?"`."""
    shapes = [entry.shape for entry in entries]
    longest = max(shapes, key=len)
    return [
        size if all(len(shape) == len(longest) and shape[axis] == size for shape in shapes) else "?"
        for axis, size in enumerate(longest)
    ]


def summarise_agreement(outputs: list[Json]) -> tuple[dict[str, float | None], dict[str, str]]:
    """Return `(metrics, absent)`: the worst agreement of all outputs by each metric, and why a metric is None.

    Outputs whose shapes part, and those that are rows of a detector, are left out.
    """
    metrics, absent = dict.fromkeys(METRICS), {"relative_accuracy": "accuracy was not measured"}
    absent["matched_share"] = "the outputs are no rows of a detector"
    outputs = [item for item in outputs if item["parting"] is None and item["judged_by"] == "values"]
    if not outputs:
        return metrics, dict.fromkeys(
            METRICS, "no output has the same shape in both, or they are rows of a detector"
        ) | absent
    floats = [item for item in outputs if item["equal_share"] is None]
    for field, worst in _WORST.items():
        values = [item[field] for item in (outputs if field == "equal_share" else floats)]
        if field == "l2_without_angle":
            values = [item[field] for item in floats if item["without_angle"]]
        known = [value for value in values if value is not None]
        if reason := _explain_absence(field, bool(floats), len(values), len(known)):
            absent[field] = reason
        metrics[field] = None if reason else worst(known)
    return metrics, absent


def _explain_absence(field: str, floats: bool, asked: int, known: int) -> str | None:
    """Return why a metric has no value, None if it has one.

    `floats`: whether any output is of floats. `asked`, `known`: outputs that could have it, and that have it.
    """
    if known == asked > 0 or (known and field in _OF_SOME):
        return None
    if field == "equal_share":
        return "no output is of integers, booleans or texts"
    if field == "top1_agreement":
        return "no output is one score per class"
    if not floats:
        return "integers, booleans and texts have no distance"
    if field in _OF_SOME:
        return "no sample has an angle: outputs are single numbers, or zero throughout in one of both models"
    return "an output of the source is zero throughout" if asked else "every sample has an angle"


def _is_discrete(entries: Entries) -> bool:
    """Tell whether values are integers, booleans or texts, which are equal or not."""
    return entries[0].dtype.kind in "iubU"


def decides_for_class(entries: Entries) -> bool:
    """Tell whether an output decides for a class, on which models can agree: it has one floating-point score per class.

    Whether these are the classes of the task is the model's declaration, not a matter of the shape.
    """
    shapes = {entry.shape for entry in entries}
    if entries[0].dtype.kind != "f" or len(shapes) != 1:
        return False
    wide = [size for size in shapes.pop() if size != 1]
    return len(wide) == 1 and wide[0] >= 2


def agree_with_labels(entries: Entries, labels: np.ndarray) -> np.ndarray:
    """Return booleans `(n,)`: the agreement of an output with the labels, int64 `(n,)`, in the class it decides for."""
    return np.array([entry.argmax() == label for entry, label in zip(entries, labels, strict=True)])


def count_not_finite(entries: Entries) -> tuple[int, int | None]:
    """Return `(number of values of an output that are not finite, first sample with one)`; (0, None) without any."""
    if entries[0].dtype.kind != "f":
        return 0, None
    broken = [int((~np.isfinite(entry)).sum()) for entry in entries]
    return (sum(broken), next(index for index, number in enumerate(broken) if number)) if any(broken) else (0, None)


def find_worst_sample(pairs: Iterable[tuple[Entries, Entries]]) -> int:
    """Return the index of the sample whose outputs agree least; `pairs` is `[(reference, candidate)]`, one per output.

    A sample with another shape, or with values that are not finite in the candidate only, is worst; then the largest L2
    distance relative to the norm of the whole reference decides, of integers, booleans and texts the share that
    differs. Outputs that have fewer entries than others, because they have no row per sample, are left out.
    """
    pairs = list(pairs)
    count = max(len(reference) for reference, _ in pairs)
    worst = np.zeros(count)
    for reference, candidate in pairs:
        if len(reference) == len(candidate) == count:
            scale = 1.0 if _is_discrete(reference) else _norm(np.concatenate(_flatten(reference))) or 1.0
            distances = [_measure_distance(*pair, scale) for pair in zip(reference, candidate, strict=True)]
            worst = np.maximum(worst, distances)
    return int(worst.argmax())


def _measure_distance(reference: np.ndarray, candidate: np.ndarray, scale: float) -> float:
    if reference.shape != candidate.shape:
        return np.inf
    if not reference.size:
        return 0.0
    if _is_discrete([reference]):
        return float((reference != candidate).mean())
    left, right = reference.astype(np.float64).ravel(), candidate.astype(np.float64).ravel()
    both = np.isfinite(left) & np.isfinite(right)
    if not np.isfinite(right).all() and np.isfinite(left).all():
        return np.inf
    return _norm(np.where(both, right, 0.0) - np.where(both, left, 0.0)) / scale


def _flatten(entries: Entries) -> list[np.ndarray]:
    """Return an output as one float64 vector per sample, with 0 for what is not finite."""
    return [np.nan_to_num(entry.astype(np.float64).ravel(), posinf=0.0, neginf=0.0) for entry in entries]


def _share_equal(reference: Entries, candidate: Entries) -> float:
    pairs = list(zip(reference, candidate, strict=True))
    size = sum(left.size for left, _ in pairs)
    return sum(int(np.sum(left == right)) for left, right in pairs) / size if size else 1.0


def _norm(array):
    largest = float(np.abs(array).max(initial=0.0))
    return largest * float(np.linalg.norm(array / largest)) if largest else 0.0  # scaled: squares must not overflow


def _cosine(a, b):
    """Return the cosine of two vectors, None where there is no angle between them."""
    if a.size == 1:
        return None
    if np.array_equal(a, b):
        return 1.0  # and not 1 - 2e-16
    a_largest, b_largest = np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0)
    if not a_largest or not b_largest:
        return None
    a, b = a / a_largest, b / b_largest
    return float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))
