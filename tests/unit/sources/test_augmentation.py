import numpy as np
import pytest
from edgeproof.sources import augmentation
from edgeproof.sources.digits import load_training_digits
from hypothesis import given, settings
from hypothesis import strategies as st


@given(seed=st.integers(0, 2**32), count=st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_interpolation_never_leaves_the_range_of_the_image(seed, count):
    images = load_training_digits()[0][:count, 0]
    distorted = augmentation.distort_images(np.random.Generator(np.random.PCG64(seed)), images)
    assert distorted.shape == images.shape
    assert distorted.dtype == np.float32
    assert distorted.min() >= 0
    assert distorted.max() <= images.max() + 1e-6


def test_without_distortion_the_image_stays(monkeypatch):
    for name in ("ROTATION", "SHEAR", "SCALE", "SHIFT", "ELASTIC"):
        monkeypatch.setattr(augmentation, name, 0.0)
    images = load_training_digits()[0][:5, 0]
    distorted = augmentation.distort_images(np.random.Generator(np.random.PCG64(0)), images)
    np.testing.assert_array_equal(distorted, images)


@pytest.mark.parametrize("shift", [3.0, 30.0])
def test_far_shifts_push_the_image_out_and_bring_in_background(monkeypatch, shift):
    for name in ("ROTATION", "SHEAR", "SCALE", "ELASTIC"):
        monkeypatch.setattr(augmentation, name, 0.0)
    monkeypatch.setattr(augmentation, "SHIFT", shift)
    images = np.ones((50, 8, 8), np.float32)
    distorted = augmentation.distort_images(np.random.Generator(np.random.PCG64(0)), images)
    assert (distorted == 0).any()
    assert set(np.unique(distorted)) - {0.0, 1.0}  # the border is cut between pixels
