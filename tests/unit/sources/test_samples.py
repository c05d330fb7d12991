import json
import re
import shutil
from pathlib import Path

import make_samples
import numpy as np
import pytest
from edgeproof.core.documents import SCHEMAS, read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.program_start import run
from edgeproof.core.tensors import read_tensors, write_tensors
from edgeproof.sources import samples
from edgeproof.sources.digits import load_heldout_digits, load_training_digits
from edgeproof.sources.identity import identify_model
from edgeproof.sources.input_faults import find_samples_fault
from edgeproof.sources.samples import check_samples, digest_samples
from hypothesis import given, settings
from hypothesis import strategies as st

RANDOM = {"kind": "random", "seed": 3, "calibration": 200, "evaluation": 8}


def make_identity(inputs=(("x", "float32", [1, 1, 8, 8]),), classes=10):
    return {
        "schema": "edgeproof.identity.v2",
        "model": "m",
        "sha256": "0" * 64,
        "bytes": 1,
        "ir_version": 8,
        "opset": {"ai.onnx": 13},
        "producer": {"name": None, "version": None},
        "inputs": [{"name": name, "dtype": dtype, "shape": shape} for name, dtype, shape in inputs],
        "outputs": [{"name": "y", "dtype": "float32", "shape": [1, classes]}],
        "operators": {},
        "parameters": 0,
        "macs": 0,
        "macs_unknown": [],
    }


def make(folder, spec, task="none", identity=None):
    """Run the script in `folder` and return `(samples.json, calibration, evaluation)`."""
    folder.mkdir(exist_ok=True)
    write_json(folder / "identity.json", identity or make_identity(), "identity")
    make_samples.main(
        [
            *("--identity", str(folder / "identity.json"), "--spec", json.dumps(spec), "--task", task),
            *("--calibration", str(folder / "c.npz"), "--evaluation", str(folder / "e.npz")),
            *("--output", str(folder / "samples.json")),
        ]
    )
    return read_json(folder / "samples.json", "samples"), *(read_tensors(folder / f"{name}.npz") for name in "ce")


def refuse(folder, spec, message, task="none", identity=None, kind="unfit_samples"):
    """Run the script in `folder`; its samples.json must say `message` (a pattern), beside two empty sets."""
    with pytest.raises(UserError, match="not an npz archive"):
        make(folder, spec, task, identity)
    document = read_json(folder / "samples.json", "samples")
    assert (document["status"], document["reason"]["kind"]) == ("failed", kind)
    assert re.search(message, document["reason"]["message"])
    for name, path in (("calibration", folder / "c.npz"), ("evaluation", folder / "e.npz")):
        assert path.read_bytes() == b"" and document[name] == {"count": 0, "sha256": sha256_file(path)}
        assert find_samples_fault(path) == document["reason"]


def test_digits_are_the_first_training_samples_and_all_held_out_ones(tmp_path):
    document, calibration, evaluation = make(tmp_path, {"kind": "digits"}, "classification")
    inputs, labels = load_heldout_digits()
    assert list(calibration) == ["inputs/x"]
    np.testing.assert_array_equal(calibration["inputs/x"], load_training_digits()[0][:320])
    np.testing.assert_array_equal(evaluation["inputs/x"], inputs)
    np.testing.assert_array_equal(evaluation["labels"], labels)
    assert (inputs.shape, inputs.dtype, labels.dtype) == ((500, 1, 8, 8), np.float32, np.int64)
    assert (inputs.min(), inputs.max()) == (0, 1)
    assert document["calibration"] == {"count": 320, "sha256": sha256_file(tmp_path / "c.npz")}
    assert document["evaluation"] == {"count": 500, "sha256": sha256_file(tmp_path / "e.npz")}
    assert document["labels"] and document["disjoint"]
    assert "UCI Machine Learning Repository" in document["origin"]


def test_no_digit_occurs_twice():
    everything = np.concatenate([load_training_digits()[0], load_heldout_digits()[0]])
    assert len(set(digest_samples({"inputs/x": everything}))) == 1797


@pytest.mark.parametrize("spec", [{"kind": "digits"}, RANDOM])
def test_the_same_spec_gives_the_same_bytes(tmp_path, spec):
    make(tmp_path / "a", spec)
    make(tmp_path / "b", spec)
    for name in ("c.npz", "e.npz", "samples.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_another_seed_gives_other_samples(tmp_path):
    first, _, _ = make(tmp_path / "a", RANDOM)
    second, _, _ = make(tmp_path / "b", {**RANDOM, "seed": 4})
    assert first["calibration"]["sha256"] != second["calibration"]["sha256"]
    assert (first["seed"], second["seed"]) == (3, 4)


def test_random_samples_fit_every_input_of_the_model(tmp_path):
    inputs = [("image", "float32", ["N", 3, 20, 30]), ("flag", "uint8", [1, 4]), ("half", "float16", [1, 64])]
    document, calibration, evaluation = make(tmp_path, RANDOM, identity=make_identity(inputs))
    assert {name: (a.shape, a.dtype.name) for name, a in evaluation.items()} == {
        "inputs/image": ((8, 3, 20, 30), "float32"),
        "inputs/flag": ((8, 4), "uint8"),
        "inputs/half": ((8, 64), "float16"),
    }
    assert calibration["inputs/image"].shape == (200, 3, 20, 30)
    assert abs(calibration["inputs/image"].mean()) < 0.05
    assert 0.8 < calibration["inputs/image"].std() < 1.3
    assert not document["labels"]


@pytest.mark.parametrize("item", [("ids", "int64", [1, 7]), ("x", "float32", [1, "tokens"]), ("x", "float32", [])])
def test_random_samples_are_refused_where_they_mean_nothing(tmp_path, item):
    refuse(tmp_path, RANDOM, "use kind file", identity=make_identity([item]))


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 9), ("uint8", 36)])
def test_more_random_samples_than_fit_into_memory_are_refused(tmp_path, dtype, limit):
    identity = make_identity([("x", dtype, [1, limit, 1000, 1000])])
    message = r"input 'x': 300 of \[\d+, 1000, 1000\] take 11 GB of memory; the limit is 8 GB"
    refuse(tmp_path, {**RANDOM, "calibration": 300}, message, identity=identity)


def make_files(folder, calibration, evaluation):
    write_tensors(folder / "mine-c.npz", calibration)
    write_tensors(folder / "mine-e.npz", evaluation)
    return {
        "kind": "file",
        "calibration": str(folder / "mine-c.npz"),
        "calibration_sha256": sha256_file(folder / "mine-c.npz"),
        "evaluation": str(folder / "mine-e.npz"),
        "evaluation_sha256": sha256_file(folder / "mine-e.npz"),
    }


def make_arrays(count=200, offset=0.0, **others):
    values = offset + np.arange(count * 64, dtype=np.float32).reshape(count, 1, 8, 8)
    return {"inputs/x": values, **others}


def test_own_files_are_taken_as_they_are_but_for_labels_that_nobody_needs(tmp_path):
    labels = np.arange(5, dtype=np.int64)
    given_files = make_arrays(labels=np.zeros(200, np.int64)), make_arrays(5, 0.5, labels=labels)
    document, calibration, evaluation = make(tmp_path, make_files(tmp_path, *given_files), "classification")
    assert list(calibration) == ["inputs/x"]
    np.testing.assert_array_equal(evaluation["labels"], labels)
    assert document["labels"]
    assert document["evaluation"]["count"] == 5


def test_inputs_stand_in_the_models_order(tmp_path):
    """A runtime without names (RKNN) goes by it."""
    identity = make_identity([("right", "float32", [1, 4]), ("left", "float32", [1, 4])])
    values = np.arange(205 * 4, dtype=np.float32).reshape(205, 4)
    sets = [{"inputs/left": part, "inputs/right": -part - 1} for part in (values[:200], values[200:])]
    _, calibration, evaluation = make(tmp_path, make_files(tmp_path, *sets), identity=identity)
    assert list(calibration) == list(evaluation) == ["inputs/right", "inputs/left"]
    np.testing.assert_array_equal(evaluation["inputs/left"], values[200:])


def test_a_file_with_another_digest_is_refused_naming_both(tmp_path):
    spec = make_files(tmp_path, make_arrays(), make_arrays(5, 0.5))
    actual, spec["evaluation_sha256"] = spec["evaluation_sha256"], "f" * 64
    refuse(tmp_path, spec, f"sha256 is {actual}, but samples.evaluation_sha256 says {'f' * 64}")


def test_a_missing_file_names_the_yaml_and_its_key(tmp_path):
    spec = make_files(tmp_path, make_arrays(), make_arrays(5, 0.5))
    Path(spec["evaluation"]).unlink()
    message = r"^config/models/m\.yaml: samples\.evaluation .*mine-e\.npz: no such file"
    refuse(tmp_path, spec, message, kind="missing_file")
    Path(spec["evaluation"]).write_text("version https://git-lfs.github.com/spec/v1\n")
    refuse(tmp_path, spec, "a Git LFS pointer instead of the file", kind="lfs_pointer")


def test_a_file_that_may_not_be_read_is_no_fault_of_the_samples(tmp_path, monkeypatch):
    spec = make_files(tmp_path, make_arrays(), make_arrays(5, 0.5))

    def fail(_):
        try:
            raise PermissionError(13, "Permission denied")
        except PermissionError as error:
            raise UserError("c.npz: cannot be read") from error

    monkeypatch.setattr(samples, "sha256_file", fail)
    with pytest.raises(UserError, match="cannot be read"):
        make(tmp_path, spec)
    assert not (tmp_path / "samples.json").exists()


def test_a_model_that_cannot_be_used_has_no_samples(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no model")
    identify_model("m", tmp_path / "m.onnx", tmp_path / "identity.json")
    identity = read_json(tmp_path / "identity.json", "identity")
    refuse(tmp_path, RANDOM, "not an ONNX model", identity=identity, kind="no_model")


def _not_finite():
    arrays = make_arrays(5, 0.5)
    arrays["inputs/x"][2, 0, 0, 0] = np.nan
    return arrays


@pytest.mark.parametrize(
    ("calibration", "evaluation", "task", "message"),
    [
        (make_arrays(199), make_arrays(5, 0.5), "none", "calibration set has 199 samples; at least 200"),
        (make_arrays(), make_arrays(5), "none", r"5 samples occur in both sets \(calibration sample 0 is evaluation"),
        (make_arrays(), make_arrays(0), "none", "at least one"),
        (make_arrays(), make_arrays(5, 0.5), "classification", "no labels"),
        (make_arrays(), make_arrays(5, 0.5, labels=np.zeros(4, np.int64)), "none", "one common number"),
        (make_arrays(), make_arrays(5, 0.5, labels=np.zeros(5, np.int32)), "classification", "labels are int32"),
        (
            make_arrays(),
            make_arrays(5, 0.5, labels=np.full(5, 10)),
            "classification",
            "the largest label is 10; the model's last class is 9",
        ),
        (make_arrays(), make_arrays(5, 0.5, labels=np.full(5, -1)), "none", "the smallest label is -1"),
        (make_arrays(), {"x": np.zeros((5, 1, 8, 8), np.float32)}, "none", r"needs \['inputs/x'\]"),
        (make_arrays(), {"inputs/x": np.zeros((5, 1, 8, 8))}, "none", "is float64; the model takes float32"),
        (make_arrays(), {"inputs/x": np.zeros((5, 8, 8), np.float32)}, "none", r"shape \[8, 8\]; the model takes"),
        (make_arrays(), {"inputs/x": np.float32(0)}, "none", "at least one"),
        (make_arrays(), _not_finite(), "none", "not finite"),
    ],
)
def test_samples_that_would_mislead_are_refused(tmp_path, calibration, evaluation, task, message):
    refuse(tmp_path, make_files(tmp_path, calibration, evaluation), message, task)


@given(shared=st.integers(0, 199), place=st.integers(0, 4), sign=st.sampled_from([1.0, -1.0]))
@settings(max_examples=25, deadline=None)
def test_one_shared_sample_is_found_wherever_it_is(shared, place, sign):
    calibration, evaluation = make_arrays(), make_arrays(5, 0.5)
    calibration["inputs/x"][shared, 0, 0, 0] = 0.0
    evaluation["inputs/x"][place] = calibration["inputs/x"][shared]
    evaluation["inputs/x"][place, 0, 0, 0] *= sign  # minus zero is the same sample
    with pytest.raises(UserError, match=f"calibration sample {shared} is evaluation sample {place}"):
        check_samples(make_identity(), calibration, evaluation, "none")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "magic"}, '--spec: kind is "magic"; allowed: digits, diabetes, scenes, random, file'),
        ({"kind": "digits", "seed": 1}, "unknown key 'seed'"),
        ({"kind": "random", "seed": 1, "calibration": 256}, "key 'evaluation' is missing"),
        ({**RANDOM, "calibration": 100}, "--spec: calibration is 100; it must be ≥ 200"),
        ({**RANDOM, "seed": True}, "--spec: seed is true"),
        ([], "--spec: the document is []"),
    ],
)
def test_a_wrong_spec_is_one_line_and_exit_code_2(tmp_path, capsys, spec, message):
    write_json(tmp_path / "identity.json", make_identity(), "identity")
    arguments = [
        item for name in ("calibration", "evaluation", "output") for item in (f"--{name}", str(tmp_path / name))
    ]
    arguments += ["--identity", str(tmp_path / "identity.json"), "--spec", json.dumps(spec)]
    assert run(make_samples.main, arguments) == 2
    assert message in capsys.readouterr().err
    assert [item.name for item in Path(tmp_path).iterdir()] == ["identity.json"]


def test_digits_need_a_model_that_takes_digits(tmp_path):
    images, two = [("x", "float32", [1, 3, 224, 224])], [("a", "float32", [1]), ("b", "float32", [1])]
    refuse(tmp_path, {"kind": "digits"}, "the model takes", identity=make_identity(images))
    refuse(tmp_path, {"kind": "digits"}, "has 2 inputs", identity=make_identity(two))


def test_a_regression_needs_targets_that_fit_its_first_output(tmp_path):
    shutil.copyfile(SCHEMAS.parent / "models" / "diabetes-mlp.onnx", tmp_path / "m.onnx")
    identify_model("diabetes-mlp", tmp_path / "m.onnx", tmp_path / "identity.json")
    paths = [tmp_path / name for name in ("calibration.npz", "evaluation.npz", "samples.json")]
    options = ("identity", "spec", "task", "calibration", "evaluation", "output")
    values = (tmp_path / "identity.json", json.dumps({"kind": "diabetes"}), "regression", *paths)
    make_samples.main([part for name, value in zip(options, values, strict=True) for part in (f"--{name}", str(value))])
    document = read_json(paths[2], "samples")
    assert (document["targets"], document["labels"]) == (True, False)
    assert (document["calibration"]["count"], document["evaluation"]["count"]) == (300, 142)
    assert set(read_tensors(paths[0])) == {"inputs/input"}
    found, identity = read_tensors(paths[1]), read_json(tmp_path / "identity.json", "identity")
    calibration = read_tensors(paths[0])
    for targets, message in (
        (None, "the evaluation set has no targets"),
        (found["targets"].astype("float64"), "targets are float64"),
        (found["targets"][:, [0, 0]], "targets have shape"),
        (found["targets"] * np.nan, "finite float32"),
    ):
        changed = {"inputs/input": found["inputs/input"]} | ({} if targets is None else {"targets": targets})
        with pytest.raises(UserError, match=message):
            check_samples(identity, calibration, changed, "regression")


def test_random_samples_get_the_sizes_that_the_model_leaves_open(tmp_path):
    identity = make_identity([("x", "float32", ["n", 3, "h", "w"]), ("z", "float32", [1, 2])])
    spec = {**RANDOM, "shapes": {"x": [1, 3, 4, 6]}}
    document, calibration, evaluation = make(tmp_path, spec, identity=identity)
    assert calibration["inputs/x"].shape == (200, 3, 4, 6) and evaluation["inputs/z"].shape == (8, 2)
    assert document["kind"] == "random"


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"x": [1, 3, 4]}, r"shapes: x is \[1, 3, 4\], but the model has"),
        ({"x": [1, 2, 4, 6]}, r"only open axes can be sized"),
        ({"x": [2, 3, 4, 6]}, r"its first axis is the batch, which is 1"),
        ({"y": [1, 3, 4, 6]}, r"'y' is not an input of the model; it has x"),
    ],
)
def test_sizes_that_contradict_the_model_are_refused(tmp_path, shapes, message):
    identity = make_identity([("x", "float32", ["n", 3, "h", "w"])])
    refuse(tmp_path, {**RANDOM, "shapes": shapes}, message, identity=identity)
    refuse(tmp_path, RANDOM, "every dimension after the batch must be known", identity=identity)
