import numpy as np
import pytest
from edgeproof.sources.training import update_adam


def test_adam_takes_a_first_step_of_the_given_size_whatever_the_gradient():
    parameters = {"a/bias": np.zeros(3)}
    update_adam(parameters, {"a/bias": np.array([1e-3, -5.0, 0.0])}, {}, rate=0.1, decay=0.0)
    np.testing.assert_allclose(parameters["a/bias"], [-0.1, 0.1, 0], rtol=1e-3)


def test_decay_shrinks_weights_and_spares_biases():
    parameters = {"a/matrix": np.ones(1), "a/bias": np.ones(1)}
    update_adam(parameters, {name: np.zeros(1) for name in parameters}, {}, rate=0.1, decay=0.5)
    assert parameters["a/matrix"][0] == pytest.approx(0.95)
    assert parameters["a/bias"][0] == 1
