"""Synthetic scenes: the same each time, objects apart, labels that name them, and a detector that learns them."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
import recipe_scenes_detector
from edgeproof.artifacts.agreement.detections import judge_rows, read_labels, read_rows
from edgeproof.core.documents import SCHEMAS
from edgeproof.core.program_start import run
from edgeproof.core.yaml_files import read_yaml
from edgeproof.sources import scenes, scenes_detector

MODEL = read_yaml(SCHEMAS.parent / "models" / "scenes-detector.yaml", "model")
OPTIONS = MODEL["task"]["detection"]


@pytest.fixture(scope="module")
def heldout():
    return scenes.load_heldout_scenes()


def detect(model, images):
    """Return what a model finds in images, as an artifact's parity reads it."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    found = [session.run(names, {"input": image[None]}) for image in images]
    return read_rows({name: [entry[place] for entry in found] for place, name in enumerate(names)}, OPTIONS)


def test_the_shipped_labels_are_those_of_the_heldout_scenes(heldout):
    assert json.loads((SCHEMAS.parents[1] / OPTIONS["labels"]).read_text()) == scenes.describe_labels(heldout)
    truths = read_labels(SCHEMAS.parents[1] / OPTIONS["labels"], OPTIONS)
    assert len(truths) == scenes.EVALUATION == len(heldout.images)
    for truth, rows in zip(truths, heldout.objects, strict=True):
        np.testing.assert_array_equal(truth.corners, np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]]))
        np.testing.assert_array_equal(truth.classes, rows[:, 4])


def test_objects_are_apart_and_brighter_than_the_ground(heldout):
    assert {len(rows) for rows in heldout.objects} == {1, 2, 3}
    for image, rows in zip(heldout.images[:, 0], heldout.objects, strict=True):
        taken = np.zeros(image.shape, int)
        for x, y, width, height, _ in rows:
            taken[y : y + height, x : x + width] += 1
            middle = image[y + height // 2 - 1 : y + height // 2 + 2, x + width // 2 - 1 : x + width // 2 + 2]
            assert middle.mean() > image[taken == 0].min()
        assert taken.max() == 1


def test_scenes_follow_from_their_seed():
    first, again, other = (scenes.draw_scenes(5, seed).images for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.dtype == np.float32 and first.min() >= 0 and first.max() < 1


def test_gradients_are_those_of_the_loss():
    generator = np.random.default_rng(3)
    parameters = {k: v.astype(np.float64) for k, v in scenes_detector.make_parameters(generator).items()}
    known = scenes.draw_scenes(4, 1)
    images, targets = known.images.transpose(0, 2, 3, 1), scenes_detector.make_targets(known.objects)

    def loss():
        return scenes_detector.compute_loss(*scenes_detector.predict_cells(parameters, images)[:2], targets)[0]

    gradients = scenes_detector.compute_gradients(parameters, images, targets)
    assert set(gradients) == set(parameters)
    for name, gradient in gradients.items():
        flat, step = parameters[name].reshape(-1), 1e-6
        flat[0] += step
        above = loss()
        flat[0] -= 2 * step
        below = loss()
        flat[0] += step
        np.testing.assert_allclose(gradient.reshape(-1)[0], (above - below) / (2 * step), rtol=1e-3, atol=1e-6)


def test_the_onnx_model_computes_what_was_trained():
    known = scenes.draw_scenes(6, 2)
    parameters = scenes_detector.train_network(known, seed=0, epochs=1)
    heat, sides, _ = scenes_detector.predict_cells(parameters, known.images.transpose(0, 2, 3, 1))
    model = scenes_detector.build_model(parameters)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = ["boxes", "scores", "classes"]
    found = [session.run(names, {"input": image[None]}) for image in known.images]
    boxes, scores, classes = (np.concatenate(part) for part in zip(*found, strict=True))
    best = heat.max(axis=-1)
    images, peaks = np.nonzero(scores)
    row, column = np.divmod(peaks, scenes_detector.CELLS)
    assert set(zip(range(6), best.reshape(6, -1).argmax(axis=-1), strict=True)) <= set(zip(images, peaks, strict=True))
    np.testing.assert_allclose(scores[images, peaks], 1 / (1 + np.exp(-best[images, row, column])), rtol=1e-3)
    np.testing.assert_array_equal(classes[images, peaks], heat[images, row, column].argmax(axis=-1))
    ends = sides[images, row, column] * [-1, -1, 1, 1] + np.stack([column, row] * 2, axis=-1) + 0.5
    np.testing.assert_allclose(boxes[images, peaks], ends * scenes_detector.CELL, rtol=1e-3, atol=1e-3)


def test_targets_give_the_boxes_back():
    (rows,) = scenes.draw_scenes(1, 5).objects
    heat, sides, counted = (part[0] for part in scenes_detector.make_targets([rows]))
    assert (heat == 1).sum() == len(rows) and counted.sum() >= 4 * len(rows)
    for x, y, width, height, kind in rows.tolist():
        row, column = int((y + height / 2) // 4), int((x + width / 2) // 4)
        left, up, right, down = sides[row, column] * 4
        assert heat[row, column, kind] == 1
        assert [column * 4 + 2 - left, row * 4 + 2 - up] == [x, y] and [left + right, up + down] == [width, height]


@pytest.mark.campaign
def test_the_recipe_finds_nine_of_ten_objects(tmp_path, heldout):
    for name in "ab":
        recipe_scenes_detector.main(["--options", "{}", "--output", str(tmp_path / name / "m.onnx")])
    assert (tmp_path / "a/m.onnx").read_bytes() == (tmp_path / "b/m.onnx").read_bytes()
    rows = detect(onnx.load(tmp_path / "a/m.onnx"), heldout.images)
    document = judge_rows(rows, rows, read_labels(SCHEMAS.parents[1] / OPTIONS["labels"], OPTIONS), OPTIONS)
    assert document["reference"]["f1"] >= 0.9 and document["reference"]["map"] >= 0.6


def test_wrong_options_are_one_line(tmp_path, capsys):
    assert run(recipe_scenes_detector.main, ["--options", '{"sead": 1}', "--output", str(tmp_path / "m")]) == 2
    assert (
        "recipe scenes-detector: the document: unknown key 'sead'; known keys are epochs, seed"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "m").exists()
