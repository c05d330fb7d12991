"""Average precision and F1 of a detector as COCO defines them, from boxes in memory.

The definition is that of pycocotools 2.0 (`COCOeval`, type bbox, area range all): IoU thresholds 0.50 to 0.95 in steps
of 0.05, 100 detections per image and class, precision at 101 recall levels, classes without any box left out.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)
_MOST_DETECTIONS = 100  # per image and class


class Boxes(NamedTuple):
    """Detections of one image. `corners`: float64 (k, 4) as x1, y1, x2, y2; `scores`: (k,); `classes`: int64 (k,)."""

    corners: np.ndarray
    scores: np.ndarray
    classes: np.ndarray

    def select(self, mask: np.ndarray) -> "Boxes":
        """Return those of an image's detections that a mask of shape (k,) keeps, for COCO's average precision."""
        return Boxes(self.corners[mask], self.scores[mask], self.classes[mask])


class Truth(NamedTuple):
    """Labels of one image. `crowd`: booleans (k,), boxes around many objects, in which any number may be found."""

    corners: np.ndarray
    classes: np.ndarray
    crowd: np.ndarray


class AveragePrecision(NamedTuple):
    """Means over classes: of all IoU thresholds, and at IoU 0.5. None if no image has a label."""

    map: float | None
    map50: float | None


def measure_precision(found: Sequence[Boxes], truths: Sequence[Truth]) -> AveragePrecision:
    """Return the average precision, as COCO defines it, of the detections of every image against its labels."""
    classes = sorted({int(item) for truth in truths for item in truth.classes})
    tables = [_measure_class(found, truths, item) for item in classes]
    kept = [table for table in tables if table is not None]
    if not kept:
        return AveragePrecision(None, None)
    values = np.array(kept)
    return AveragePrecision(float(values.mean()), float(values[:, 0].mean()))


def count_matches(found: Boxes, truth: Truth, iou: float) -> tuple[int, int, int]:
    """Return COCO's (true positives, false positives, false negatives) of one image at one IoU, over all classes.

    Detections are matched in order of their scores, as for the average precision; those in a crowd count for nothing.
    """
    right = wrong = missed = 0
    for item in sorted({*found.classes.tolist(), *truth.classes.tolist()}):
        own, wanted = _select_class(found, truth, item)
        matched, ignored = _match_image(own, wanted, np.array([iou]))
        right += int((matched[0] & ~ignored[0]).sum())
        wrong += int((~matched[0] & ~ignored[0]).sum())
        missed += int((~wanted.crowd).sum()) - int((matched[0] & ~ignored[0]).sum())
    return right, wrong, missed


def measure_overlaps(left: np.ndarray, right: np.ndarray, crowd: np.ndarray | None = None) -> np.ndarray:
    """Return COCO's IoU of every box of `left` (k, 4) with every one of `right` (m, 4), as float64 (k, m).

    With a `crowd` (m,) among `right`, the intersection is divided by the area of the box of `left` alone.
    """
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    first, second = (np.prod(np.clip(side[:, 2:] - side[:, :2], 0, None), axis=1) for side in (left, right))
    total = first[:, None] + second[None, :] - shared
    if crowd is not None:
        total = np.where(crowd[None, :], first[:, None], total)
    return np.divide(shared, total, out=np.zeros_like(shared), where=total > 0)


def _select_class(found: Boxes, truth: Truth, item: int) -> tuple[Boxes, Truth]:
    """Return what one image has of a class: the detections best first, the labels with crowds last."""
    own = found.select(found.classes == item)
    own = own.select(np.argsort(-own.scores, kind="mergesort")[:_MOST_DETECTIONS])
    mask = truth.classes == item
    order = np.argsort(truth.crowd[mask], kind="mergesort")
    wanted = Truth(truth.corners[mask][order], truth.classes[mask][order], truth.crowd[mask][order])
    return own, wanted


def _match_image(found: Boxes, truth: Truth, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return booleans (thresholds, k): which detections of one class are matched, and which lie in a crowd."""
    matched = np.zeros((len(thresholds), len(found.scores)), bool)
    ignored = np.zeros_like(matched)
    overlaps = measure_overlaps(found.corners, truth.corners, truth.crowd)
    for row, threshold in enumerate(thresholds):
        taken = np.zeros(len(truth.crowd), bool)
        for place in range(len(found.scores)):
            best, least = -1, min(threshold, 1 - 1e-10)
            for candidate in range(len(truth.crowd)):
                if taken[candidate] and not truth.crowd[candidate]:
                    continue
                if best > -1 and not truth.crowd[best] and truth.crowd[candidate]:
                    break  # a label of its own is better than a crowd, and crowds come last
                if overlaps[place, candidate] >= least:
                    best, least = candidate, overlaps[place, candidate]
            if best > -1:
                taken[best] = True
                matched[row, place], ignored[row, place] = True, truth.crowd[best]
    return matched, ignored


def _measure_class(found: Sequence[Boxes], truths: Iterable[Truth], item: int) -> np.ndarray | None:
    """Return the average precision of one class per IoU threshold; None if it only has crowds."""
    scores, matched, ignored, wanted = [], [], [], 0
    for boxes, truth in zip(found, truths, strict=True):
        own, labels = _select_class(boxes, truth, item)
        hits = _match_image(own, labels, IOU_THRESHOLDS)
        scores.append(own.scores)
        matched.append(hits[0])
        ignored.append(hits[1])
        wanted += int((~labels.crowd).sum())
    if not wanted:
        return None
    order = np.argsort(-np.concatenate(scores), kind="mergesort")
    hits, left_out = np.concatenate(matched, axis=1)[:, order], np.concatenate(ignored, axis=1)[:, order]
    right, wrong = np.cumsum(hits & ~left_out, axis=1), np.cumsum(~hits & ~left_out, axis=1)
    return np.array([_average(right[row], wrong[row], wanted) for row in range(len(IOU_THRESHOLDS))])


def _average(right: np.ndarray, wrong: np.ndarray, wanted: int) -> float:
    """Return the mean precision over the recall levels, from running counts of right and wrong detections."""
    recall, precision = right / wanted, right / np.maximum(right + wrong, np.finfo(np.float64).tiny)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.append(best_from_here, 0.0)[np.minimum(places, len(recall))].mean())
