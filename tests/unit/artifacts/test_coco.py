"""Average precision and F1 as COCO defines them: by hand, and as pycocotools counts them."""

import json

import numpy as np
import pytest
from edgeproof.artifacts.agreement.coco import (
    Boxes,
    Truth,
    count_matches,
    measure_overlaps,
    measure_precision,
)
from edgeproof.artifacts.agreement.detections import (
    count_matched_rows,
    judge_rows,
    read_labels,
    read_rows,
    share_matched_rows,
)
from edgeproof.core.errors import UserError

OPTIONS = {"boxes": "b", "scores": "s", "classes": "c", "score_threshold": 0.5, "iou_threshold": 0.5}


def make_boxes(*rows):
    """Return Boxes of rows (x1, y1, x2, y2, score, class)."""
    table = np.array(rows, float).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4], table[:, 5].astype(int))


def make_truth(*rows):
    """Return a Truth of rows (x1, y1, x2, y2, class, crowd)."""
    table = np.array(rows, float).reshape(-1, 6)
    return Truth(table[:, :4], table[:, 4].astype(int), table[:, 5].astype(bool))


def make_scenes(seed, images=12):
    """Return (detections, labels) of seeded images: labels moved a little, some missed, some invented, one crowd."""
    random, found, truths = np.random.default_rng(seed), [], []
    for image in range(images):
        corner, size = random.uniform(0, 80, (5, 2)), random.uniform(8, 40, (5, 2))
        rows = np.hstack([corner, corner + size])
        kinds = random.integers(0, 3, 5)
        crowd = np.zeros(5, bool)
        crowd[0] = image % 4 == 0
        truths.append(Truth(rows, kinds, crowd))
        kept = random.random(5) > 0.2
        moved = rows[kept] + random.normal(0, 2, (kept.sum(), 4))
        invented = np.hstack([corner[:2], corner[:2] + 20])
        boxes = np.vstack([moved, invented])
        classes = np.concatenate([kinds[kept], random.integers(0, 3, 2)])
        found.append(Boxes(boxes, np.round(random.random(len(boxes)), 3), classes))
    return found, truths


def test_overlaps_are_intersection_over_union():
    left, right = np.array([[0, 0, 2, 2.0]]), np.array([[1, 1, 3, 3.0], [0, 0, 2, 2], [5, 5, 6, 6], [1, 1, 1, 1]])
    np.testing.assert_allclose(measure_overlaps(left, right), [[1 / 7, 1, 0, 0]])
    np.testing.assert_allclose(measure_overlaps(left, right, np.array([True, False, False, False]))[0, 0], 1 / 4)


def test_perfect_rows_have_an_average_precision_of_one():
    truth = make_truth((0, 0, 10, 10, 0, 0), (20, 20, 30, 30, 1, 0))
    found = make_boxes((0, 0, 10, 10, 0.9, 0), (20, 20, 30, 30, 0.4, 1))
    assert measure_precision([found], [truth]) == (1.0, 1.0)
    assert count_matches(found, truth, 0.5) == (2, 0, 0)


def test_a_false_row_before_a_right_one_halves_the_precision():
    truth = make_truth((0, 0, 10, 10, 0, 0))
    found = make_boxes((50, 50, 60, 60, 0.9, 0), (0, 0, 10, 10, 0.4, 0))
    assert measure_precision([found], [truth]) == (0.5, 0.5)
    assert count_matches(found, truth, 0.5) == (1, 1, 0)


def test_a_row_that_overlaps_by_sixty_percent_counts_for_three_of_ten_thresholds():
    found, truth = make_boxes((0, 0, 10, 6, 0.9, 0)), make_truth((0, 0, 10, 10, 0, 0))
    average, at_half = measure_precision([found], [truth])
    assert (round(average, 9), at_half) == (0.3, 1.0)


def test_a_crowd_is_neither_found_nor_missed():
    truth = make_truth((0, 0, 100, 100, 0, 1), (0, 0, 10, 10, 0, 0))
    found = make_boxes((0, 0, 10, 10, 0.9, 0), (50, 50, 60, 60, 0.8, 0), (70, 70, 80, 80, 0.7, 0))
    assert measure_precision([found], [truth]) == (1.0, 1.0)
    assert count_matches(found, truth, 0.5) == (1, 0, 0)
    assert measure_precision([found], [make_truth((0, 0, 9, 9, 0, 1))]) == (None, None)


def test_pycocotools_counts_the_same(tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    for seed in range(4):
        found, truths = make_scenes(seed)
        annotations = [
            {
                "id": 1 + 100 * image + place,
                "image_id": image,
                "category_id": int(kind),
                "bbox": [*row[:2].tolist(), *(row[2:] - row[:2]).tolist()],
                "area": float(np.prod(row[2:] - row[:2])),
                "iscrowd": int(crowd),
            }
            for image, truth in enumerate(truths)
            for place, (row, kind, crowd) in enumerate(zip(*truth, strict=True))
        ]
        document = {
            "images": [{"id": image} for image in range(len(truths))],
            "categories": [{"id": kind} for kind in range(3)],
            "annotations": annotations,
        }
        (tmp_path / "labels.json").write_text(json.dumps(document))
        known = coco.COCO(str(tmp_path / "labels.json"))
        results = [
            {
                "image_id": image,
                "category_id": int(kind),
                "bbox": [*row[:2].tolist(), *(row[2:] - row[:2]).tolist()],
                "score": float(score),
            }
            for image, boxes in enumerate(found)
            for row, score, kind in zip(*boxes, strict=True)
        ]
        judged = evaluation.COCOeval(known, known.loadRes(results), "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
        assert measure_precision(found, truths) == pytest.approx(tuple(judged.stats[:2]), abs=1e-9)


def test_rows_are_matched_by_class_and_overlap_whatever_their_order():
    left = make_boxes((0, 0, 10, 10, 0.9, 0), (20, 20, 30, 30, 0.8, 1), (40, 40, 50, 50, 0.7, 2))
    right = make_boxes((20, 20, 30, 31, 0.8, 1), (0, 0, 10, 10, 0.9, 0), (40, 40, 50, 50, 0.7, 0))
    assert count_matched_rows(left, right, 0.5) == 2
    assert share_matched_rows([left], [right], OPTIONS) == 4 / 6
    low = left._replace(scores=left.scores / 10)
    assert share_matched_rows([low], [low], OPTIONS) is None
    assert share_matched_rows([left], [low], OPTIONS) == 0


def test_two_rows_are_not_matched_with_one():
    left = make_boxes((0, 0, 10, 10, 0.9, 0), (0, 0, 10, 9, 0.8, 0))
    assert count_matched_rows(left, make_boxes((0, 0, 10, 10, 0.9, 0)), 0.5) == 1


@pytest.mark.parametrize(
    ("box_format", "row"),
    [("xyxy", (1, 2, 4, 8)), ("yxyx", (2, 1, 8, 4)), ("xywh", (1, 2, 3, 6)), ("cxcywh", (2.5, 5, 3, 6))],
)
def test_rows_are_read_in_every_format(box_format, row):
    outputs = {"b": [np.array([[row, (0, 0, 0, 0)]])], "s": [np.array([[0.5, 0.0]])], "c": [np.array([[3.0, 0.0]])]}
    (boxes,) = read_rows(outputs, {**OPTIONS, "box_format": box_format})
    assert boxes.corners.tolist() == [[1, 2, 4, 8]] and boxes.classes.tolist() == [3]  # and not the row that fills up


def test_outputs_that_are_no_rows_are_named():
    outputs = {"b": [np.zeros((1, 4))], "s": [np.ones(2)], "c": [np.ones(2)]}
    with pytest.raises(UserError, match="in sample 0 the outputs have 4 values of boxes, 2 scores and 2 classes"):
        read_rows(outputs, OPTIONS)
    with pytest.raises(UserError, match="names output 'c'; the model has b, s"):
        read_rows({"b": outputs["b"], "s": outputs["s"]}, OPTIONS)


def test_labels_are_in_the_order_of_their_images(tmp_path):
    path = tmp_path / "labels.json"
    document = {
        "images": [{"id": 9}, {"id": 3}],
        "categories": [{"id": 7}, {"id": 5}],
        "annotations": [
            {"image_id": 3, "category_id": 5, "bbox": [1, 2, 3, 4]},
            {"image_id": 3, "category_id": 7, "bbox": [0, 0, 1, 1], "iscrowd": 1},
        ],
    }
    path.write_text(json.dumps(document))
    first, second = read_labels(path, {})
    assert first.corners.shape == (0, 4)
    assert (second.corners[0].tolist(), second.classes.tolist(), second.crowd.tolist()) == (
        [1, 2, 4, 6],
        [1, 0],
        [False, True],
    )
    assert read_labels(path, {"class_numbers": "category_id"})[1].classes.tolist() == [5, 7]
    path.write_text("[]")
    with pytest.raises(UserError, match="not labels in COCO's JSON"):
        read_labels(path, {})
    with pytest.raises(UserError, match="there is no such file"):
        read_labels(tmp_path / "none.json", {})


def test_the_difference_of_equal_rows_is_zero_and_of_worse_rows_below_it():
    found, truths = make_scenes(1)
    same = judge_rows(found, found, truths, OPTIONS)
    assert (same["f1_difference"], same["f1_low"], same["f1_high"]) == (0, 0, 0)
    assert same["reference"] == same["candidate"] and 0 < same["reference"]["map"] < same["reference"]["map50"] < 1
    worse = judge_rows(found, [boxes.select(boxes.scores > 0.8) for boxes in found], truths, OPTIONS)
    assert worse["f1_low"] < worse["f1_difference"] < 0 and worse["candidate"]["map"] < worse["reference"]["map"]
