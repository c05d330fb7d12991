"""The recurrent network and the autoencoder of the digits: gradients, the same function in ONNX, what they reach."""

import json
import runpy

import numpy as np
import onnxruntime
import pytest
import recipe_digits_autoencoder
import recipe_digits_lstm
from edgeproof.core.program_start import run
from edgeproof.sources import digits_autoencoder, digits_lstm, network
from edgeproof.sources.digits import load_heldout_digits, load_training_digits

score_restored = runpy.run_path("config/commands/score_restored.py")["score_restored"]
PROGRAMS = {"digits-lstm": recipe_digits_lstm, "digits-autoencoder": recipe_digits_autoencoder}


def run_model(model, images):
    """Return the outputs of a model for images `(n, 1, 8, 8)`, `(n, size)`."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"input": image[None]})[0] for image in images])


def differ_finitely(parameters, gradients, loss):
    """Check the first, the middle and the last value of every gradient (float64)."""
    assert set(gradients) == set(parameters)
    for name, gradient in gradients.items():
        flat, step = parameters[name].reshape(-1), 1e-6
        for place in (0, flat.size // 2, flat.size - 1):
            flat[place] += step
            above = loss()
            flat[place] -= 2 * step
            below = loss()
            flat[place] += step
            np.testing.assert_allclose(gradient.reshape(-1)[place], (above - below) / (2 * step), rtol=1e-4, atol=1e-7)


def make_double(module):
    parameters = module.make_parameters(np.random.default_rng(2))
    return {name: value.astype(np.float64) for name, value in parameters.items()}


def test_gradients_of_the_recurrent_network_are_those_of_its_loss():
    parameters, images = make_double(digits_lstm), np.random.default_rng(3).random((6, 8, 8))
    labels = np.arange(6)
    logits, trace = digits_lstm.compute_logits(parameters, images)
    slope = network.compute_loss(logits, labels, 0.1)[1]
    gradients = digits_lstm.compute_gradients(parameters, trace, slope)
    differ_finitely(
        parameters,
        gradients,
        lambda: network.compute_loss(digits_lstm.compute_logits(parameters, images)[0], labels, 0.1)[0],
    )


def test_gradients_of_the_autoencoder_are_those_of_its_loss():
    parameters, pixels = make_double(digits_autoencoder), np.random.default_rng(3).random((6, 64))
    differ_finitely(
        parameters,
        digits_autoencoder.compute_gradients(parameters, pixels),
        lambda: digits_autoencoder.compute_loss(digits_autoencoder.restore_pixels(parameters, pixels)[-1], pixels),
    )


def test_the_onnx_models_compute_what_was_trained():
    images, labels = (side[:80] for side in load_training_digits())
    lstm = digits_lstm.train_network(images, labels, seed=0, epochs=1)
    made = run_model(digits_lstm.build_model(lstm).SerializeToString(), images)
    np.testing.assert_allclose(made, digits_lstm.compute_logits(lstm, images[:, 0])[0], rtol=1e-4, atol=1e-5)
    coder = digits_autoencoder.train_network(images, seed=0, epochs=1)
    made = run_model(digits_autoencoder.build_model(coder).SerializeToString(), images)
    expected = digits_autoencoder.restore_pixels(coder, images.reshape(80, 64))[-1]
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.campaign
def test_the_recipes_make_what_the_documentation_says(tmp_path):
    images, labels = load_heldout_digits()
    made = {}
    for name, program in PROGRAMS.items():
        program.main(["--options", "{}", "--output", str(tmp_path / name / "model.onnx")])
        made[name] = run_model(str(tmp_path / name / "model.onnx"), images)
    assert (made["digits-lstm"].argmax(axis=1) == labels).mean() >= 0.92
    assert score_restored(images, made["digits-autoencoder"]).mean() >= 0.9


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path, name):
    for file, seed in (("a", 1), ("b", 1), ("c", 2)):
        options = json.dumps({"seed": seed, "epochs": 1})
        PROGRAMS[name].main(["--options", options, "--output", str(tmp_path / file)])
    a, b, c = ((tmp_path / file).read_bytes() for file in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_wrong_options_are_one_line(tmp_path, capsys, name):
    assert run(PROGRAMS[name].main, ["--options", '{"epochs": 0}', "--output", str(tmp_path / "m")]) == 2
    assert f"recipe {name}: epochs is 0; it must be ≥ 1" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_a_score_is_the_share_of_an_image_that_is_restored():
    images = np.random.default_rng(0).random((3, 1, 8, 8))
    means = np.broadcast_to(images.mean(axis=(1, 2, 3), keepdims=True), images.shape)
    np.testing.assert_allclose(score_restored(images, images), 1)
    np.testing.assert_allclose(score_restored(images, means), 0, atol=1e-12)
