"""The patients are split by a seed, and standardised by the training patients alone."""

import numpy as np
from edgeproof.sources import diabetes


def test_training_patients_are_standardised_and_held_out_ones_by_the_same_numbers():
    training, held = diabetes.load_training_patients(), diabetes.load_heldout_patients()
    assert [side[0].shape for side in (training, held)] == [(300, 10), (142, 10)]
    assert [side[1].shape for side in (training, held)] == [(300, 1), (142, 1)]
    assert all(array.dtype == np.float32 for side in (training, held) for array in side)
    np.testing.assert_allclose(training[0].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(training[0].std(axis=0), 1, atol=1e-5)
    assert np.abs(held[0].mean(axis=0)).max() > 1e-3
    assert len(np.unique(np.concatenate([training[0], held[0]]), axis=0)) == 442


def test_the_split_is_the_same_each_time():
    assert np.array_equal(diabetes.load_heldout_patients()[1], diabetes.load_heldout_patients()[1])
    assert str(diabetes.SPLIT_SEED) in diabetes.describe_diabetes()
