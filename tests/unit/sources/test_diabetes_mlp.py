import json

import numpy as np
import onnx
import onnxruntime
import pytest
import recipe_diabetes_mlp
from edgeproof.core.documents import SCHEMAS
from edgeproof.core.program_start import run
from edgeproof.sources import diabetes_mlp
from edgeproof.sources.diabetes import load_heldout_patients, load_training_patients

SHIPPED = SCHEMAS.parent / "models" / "diabetes-mlp.onnx"


def run_model(path, inputs):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": sample[None]})[0] for sample in inputs])


def explain(answers, targets):
    return 1 - float(((answers - targets) ** 2).sum() / ((targets - targets.mean()) ** 2).sum())


def test_the_shipped_model_explains_half_of_the_variance_of_patients_it_has_not_seen():
    inputs, targets = load_heldout_patients()
    assert len(targets) == 142
    assert explain(run_model(SHIPPED, inputs), targets) >= 0.5


def test_patients_are_split_once_and_standardised_by_the_training_ones():
    (known, _), (unseen, _) = load_training_patients(), load_heldout_patients()
    assert len({sample.tobytes() for sample in (*known, *unseen)}) == 442
    np.testing.assert_allclose(known.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(known.std(axis=0), 1, atol=1e-5)
    assert abs(unseen.mean(axis=0)).max() > 1e-3


def test_the_shipped_model_has_the_form_that_converters_understand():
    model = onnx.load(SHIPPED)
    onnx.checker.check_model(model, full_check=True)
    assert {node.op_type for node in model.graph.node} == {"Gemm", "Relu"}
    assert SHIPPED.stat().st_size < 10_000


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        options = json.dumps({"seed": seed, "epochs": 2})
        recipe_diabetes_mlp.main(["--options", options, "--output", str(tmp_path / name)])
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_the_recipe_makes_a_model_as_good_as_the_shipped_one(tmp_path):
    output = tmp_path / "m.onnx"
    recipe_diabetes_mlp.main(["--options", "{}", "--output", str(output)])
    inputs, targets = load_heldout_patients()
    # Bytes may differ: the shipped file was trained with another machine's BLAS.
    made, shipped = (explain(run_model(path, inputs), targets) for path in (output, SHIPPED))
    assert abs(made - shipped) <= 0.02


def test_gradients_are_those_of_the_loss(monkeypatch):
    monkeypatch.setattr(diabetes_mlp, "DROPOUT", 0.0)
    generator = np.random.default_rng(3)
    parameters = {name: value.astype(np.float64) for name, value in diabetes_mlp.make_parameters(generator).items()}
    inputs, targets = generator.standard_normal((8, 10)), generator.standard_normal((8, 1))

    def loss():
        return float(((diabetes_mlp.predict(parameters, inputs) - targets) ** 2).mean()) / 2

    gradients = diabetes_mlp.compute_gradients(parameters, inputs, targets, generator)
    assert set(gradients) == set(parameters)
    for name, gradient in gradients.items():
        flat, step = parameters[name].reshape(-1), 1e-6
        flat[0] += step
        above = loss()
        flat[0] -= 2 * step
        below = loss()
        flat[0] += step
        np.testing.assert_allclose(gradient.reshape(-1)[0], (above - below) / (2 * step), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([1], "the document is [1]; a mapping of keys to values"),
        ({"sead": 1}, "unknown key 'sead'; known keys are epochs, seed"),
        ({"seed": -1}, "recipe diabetes-mlp: seed is -1; it must be ≥ 0"),
        ({"epochs": True}, "epochs is true"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, capsys, options, message):
    assert run(recipe_diabetes_mlp.main, ["--options", json.dumps(options), "--output", str(tmp_path / "m")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "m").exists()
