"""Detectors: their rows read from outputs and from COCO labels, matched with each other, and judged against the labels.

How many rows an output has depends on the image, and so does their order; rows are matched by class and overlap.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.reader import require_regular
from edgeproof.core.world_errors import explain_unreadable

from .coco import Boxes, Truth, count_matches, measure_overlaps, measure_precision
from .output_agreement import Entries

_SEED, _RESAMPLES, _CONFIDENCE = 0, 2000, 0.95
DEFINITION = (
    "mAP: mean over classes and IoU 0.50:0.05:0.95 of the precision at 101 recall levels, 100 detections per image and "
    "class (pycocotools, bbox, area all); map50: at IoU 0.50; F1, precision, recall: over all images and classes"
)


def list_row_outputs(judge: Json | None) -> list[str]:
    """Return a detector's outputs whose rows are detections, by how its task is judged; none for other tasks."""
    options = (judge or {}).get("detection", {})
    if "selected" in options:  # the other two hold every candidate, in its place
        return [options["selected"]]
    return [options[key] for key in ("boxes", "scores", "classes") if key in options]


def read_rows(outputs: Mapping[str, Entries], options: Json) -> list[Boxes]:
    """Return the detections of every sample, those with a score of 0 left out: detectors fill up with such rows.

    `options`: the model's `task.detection`, which names the outputs. UserError if they are not what it says.
    """
    names = [options[key] for key in ("boxes", "scores", "classes", "selected") if key in options]
    if missing := [name for name in names if name not in outputs]:
        raise UserError(f"task.detection names output {missing[0]!r}; the model has {', '.join(outputs)}")
    boxes, scores = outputs[options["boxes"]], outputs[options["scores"]]
    if {"selected", "classes"} <= set(options):
        raise UserError("task.detection names both `classes` and `selected`, whose rows have the class; leave one out")
    if "selected" in options:
        return _read_selected_rows(boxes, scores, outputs[options["selected"]], options)
    classes = outputs[options["classes"]] if "classes" in options else [np.zeros(entry.size) for entry in scores]
    found = []
    for index, (corners, score, kind) in enumerate(zip(boxes, scores, classes, strict=True)):
        if not (corners.size == 4 * score.size and score.size == kind.size):
            raise UserError(
                f"task.detection: in sample {index} the outputs have {corners.size} values of boxes, {score.size} "
                f"scores and {kind.size} classes; a row has four, one and one"
            )
        rows = _order_corners(corners.astype(np.float64).reshape(-1, 4), options.get("box_format", "xyxy"))
        every = Boxes(rows, score.astype(np.float64).ravel(), np.rint(kind).astype(np.int64).ravel())
        found.append(every.select(every.scores > 0))
    return found


def _read_selected_rows(boxes: Entries, scores: Entries, selected: Entries, options: Json) -> list[Boxes]:
    """Return the detections of every sample that NonMaxSuppression has selected of all candidates.

    Per sample, `boxes` is (1, n, 4), `scores` (1, classes, n), `selected` (k, 3): image, class and box of each. ONNX
    takes any two opposite corners for a box.
    """
    found = []
    for index, (corners, score, chosen) in enumerate(zip(boxes, scores, selected, strict=True)):
        corners = corners.astype(np.float64).reshape(-1, 4)
        picked = chosen.astype(np.int64).reshape(-1, 3)
        if not len(corners) or score.size % len(corners):
            raise UserError(
                f"task.detection: in sample {index} the outputs have {len(corners)} boxes and {score.size} scores; "
                "each class needs a score of each box"
            )
        score = score.astype(np.float64).reshape(-1, len(corners))
        limits = (1, *score.shape)
        if ((picked < 0) | (picked >= limits)).any():
            raise UserError(
                f"task.detection: in sample {index} {options['selected']!r} selects rows that are not there; image, "
                f"class and box must be below {', '.join(map(str, limits))}"
            )
        rows = _order_corners(corners, options.get("box_format", "xyxy"))[picked[:, 2]]
        rows = np.hstack([np.minimum(rows[:, :2], rows[:, 2:]), np.maximum(rows[:, :2], rows[:, 2:])])
        found.append(Boxes(rows, score[picked[:, 1], picked[:, 2]], picked[:, 1]))
    return found


def _order_corners(rows: np.ndarray, box_format: str) -> np.ndarray:
    first, second = rows[:, :2], rows[:, 2:]
    if box_format == "xywh":
        return np.hstack([first, first + second])
    if box_format == "cxcywh":
        return np.hstack([first - second / 2, first + second / 2])
    return rows[:, [1, 0, 3, 2]] if box_format == "yxyx" else rows


def read_labels(path: str | Path, options: Json) -> list[Truth]:
    """Return the labels by which detections are judged, from a file in COCO's JSON: one entry per image, in its order.

    The model's class k is the category in place k of `categories`, or with `class_numbers: category_id` the one with
    that id. UserError if it is not such a file.
    """
    require_regular(path)
    try:
        document = json.loads(Path(path).read_bytes())
        places = {image["id"]: place for place, image in enumerate(document["images"])}
        by_id = options.get("class_numbers", "index") == "category_id"
        numbers = {item["id"]: item["id"] if by_id else place for place, item in enumerate(document["categories"])}
        rows: list[list[tuple[list[float], int, bool]]] = [[] for _ in places]
        for item in document["annotations"]:
            box = [float(value) for value in item["bbox"]]
            rows[places[item["image_id"]]].append((box, numbers[item["category_id"]], bool(item.get("iscrowd", 0))))
    except OSError as error:
        raise UserError(f"{path}: {explain_unreadable(error)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not labels in COCO's JSON ({type(error).__name__}: {error})") from error
    return [
        Truth(
            _order_corners(np.array([row[0] for row in image], np.float64).reshape(-1, 4), "xywh"),
            np.array([row[1] for row in image], np.int64),
            np.array([row[2] for row in image], bool),
        )
        for image in rows
    ]


def count_matched_rows(left: Boxes, right: Boxes, iou: float) -> int:
    """Return how many rows of two detectors are the same detection: of one class, one to one, with at least this IoU.

    The pairs with the largest IoU are matched first.
    """
    total = 0
    for item in set(left.classes.tolist()) & set(right.classes.tolist()):
        overlaps = measure_overlaps(left.corners[left.classes == item], right.corners[right.classes == item])
        taken: tuple[set[int], set[int]] = set(), set()
        for place in np.argsort(-overlaps, axis=None, kind="stable"):
            a, b = (int(index) for index in np.unravel_index(place, overlaps.shape))
            if overlaps[a, b] < iou:
                break
            if a not in taken[0] and b not in taken[1]:
                taken[0].add(a)
                taken[1].add(b)
        total += len(taken[0])
    return total


def share_matched_rows(left: Sequence[Boxes], right: Sequence[Boxes], options: Json) -> float | None:
    """Return the share of two models' detections (rows above the score threshold) that are the same; None without any.

    A matched pair is two rows of one class with the IoU threshold or more.
    """
    matched = total = 0
    for pair in zip(left, right, strict=True):
        a, b = (rows.select(rows.scores >= options["score_threshold"]) for rows in pair)
        matched += 2 * count_matched_rows(a, b, options["iou_threshold"])
        total += len(a.scores) + len(b.scores)
    return matched / total if total else None


def judge_rows(reference: Sequence[Boxes], candidate: Sequence[Boxes], truths: Sequence[Truth], options: Json) -> Json:
    """Return the `detection` of a parity document: how well both models' detections find what is labelled.

    The interval of the difference in F1 is a paired bootstrap over images.
    """
    document = {
        "definition": DEFINITION,
        "score_threshold": options["score_threshold"],
        "iou_threshold": options["iou_threshold"],
        "images": len(truths),
    }
    counts = []
    for side, rows in (("reference", reference), ("candidate", candidate)):
        shown = [boxes.select(boxes.scores >= options["score_threshold"]) for boxes in rows]
        own = [
            count_matches(boxes, truth, options["iou_threshold"]) for boxes, truth in zip(shown, truths, strict=True)
        ]
        counts.append(np.array(own, np.int64).reshape(-1, 3))
        right, wrong, missed = (int(value) for value in counts[-1].sum(0))
        precision = measure_precision(rows, truths)
        document[side] = {
            "map": precision.map,
            "map50": precision.map50,
            "f1": float(_f1(counts[-1].sum(0)[None])[0]),
            "precision": right / (right + wrong) if right + wrong else None,
            "recall": right / (right + missed) if right + missed else None,
        }
    low, high = _bootstrap(counts[0], counts[1])
    difference = document["candidate"]["f1"] - document["reference"]["f1"]
    chances = {"confidence": _CONFIDENCE, "resamples": _RESAMPLES, "seed": _SEED}
    return {**document, "f1_difference": difference, "f1_low": low, "f1_high": high, **chances}


def _bootstrap(reference: np.ndarray, candidate: np.ndarray) -> tuple[float, float]:
    generator, count = np.random.default_rng(_SEED), len(reference)
    weights = generator.multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)
    differences = _f1(weights @ candidate) - _f1(weights @ reference)
    low, high = np.quantile(differences, [(1 - _CONFIDENCE) / 2, (1 + _CONFIDENCE) / 2])
    return float(low), float(high)


def _f1(counts: np.ndarray) -> np.ndarray:
    """Return F1 of rows (true positives, false positives, false negatives); 0 where there is neither row nor label."""
    total = 2 * counts[:, 0] + counts[:, 1] + counts[:, 2]
    return np.divide(2 * counts[:, 0], total, out=np.zeros(len(counts)), where=total > 0)
