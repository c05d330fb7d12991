import numpy as np
import pytest
from edgeproof.sources import network

SIZE, CLASSES = 8, 3


@pytest.fixture
def case(monkeypatch):
    """A narrow network in float64, so that finite differences are exact enough to compare with."""
    monkeypatch.setattr(network, "WIDTHS", (2, 3, 2))
    monkeypatch.setattr(network, "HIDDEN", 5)
    generator = np.random.Generator(np.random.PCG64(0))
    parameters = network.make_parameters(generator, 1, SIZE, CLASSES)
    parameters = {name: value.astype(np.float64) for name, value in parameters.items()}
    for name in parameters:
        if name.endswith("/bias"):
            parameters[name] += generator.normal(0, 0.1, parameters[name].shape)
    images = generator.random((4, SIZE, SIZE, 1))
    return parameters, images, np.array([0, 1, 2, 1]), generator


@pytest.mark.parametrize("with_dropout", [False, True])
def test_gradients_agree_with_finite_differences(case, with_dropout):
    parameters, images, labels, generator = case
    dropout = (generator.random((4, 5)) > 0.3) / 0.7 if with_dropout else None

    def compute_loss():
        return network.compute_loss(network.compute_logits(parameters, images, dropout)[0], labels, 0.1)

    logits, trace = network.compute_logits(parameters, images, dropout)
    gradients = network.compute_gradients(parameters, trace, network.compute_loss(logits, labels, 0.1)[1])
    assert set(gradients) == set(parameters)
    for name, value in parameters.items():
        assert gradients[name].shape == value.shape
        for index in generator.choice(value.size, min(6, value.size), replace=False):
            place = np.unravel_index(index, value.shape)
            original = value[place]
            value[place] = original + 1e-6
            above = compute_loss()[0]
            value[place] = original - 1e-6
            below = compute_loss()[0]
            value[place] = original
            assert gradients[name][place] == pytest.approx((above - below) / 2e-6, rel=1e-4, abs=1e-7), name


@pytest.mark.parametrize(("stride", "size"), [(1, (4, 5)), (2, (2, 3))])
def test_scattering_patches_is_the_adjoint_of_gathering_them(stride, size):
    generator = np.random.Generator(np.random.PCG64(1))
    values = generator.normal(size=(2, size[0] * stride, size[1] * stride, 3))
    patches = generator.normal(size=(2, *size, 27))
    forward = np.vdot(network.gather_patches(values, stride), patches)
    assert forward == pytest.approx(np.vdot(values, network.scatter_patches(patches, stride)))


def test_equal_maxima_share_the_gradient():
    values = np.zeros((1, 2, 2, 1))
    slope = network._unpool(np.ones((1, 1, 1, 1)), values, network._pool(values))
    assert slope.ravel().tolist() == [0.25] * 4


def test_loss_of_equal_logits_is_the_logarithm_of_the_classes():
    loss, slope = network.compute_loss(np.zeros((2, 10)), np.array([3, 4]), 0.0)
    assert loss == pytest.approx(np.log(10))
    assert slope.sum() == pytest.approx(0)
    assert slope[0, 3] == pytest.approx((0.1 - 1) / 2)
