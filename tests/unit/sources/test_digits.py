"""The digits are split where the docstring says, and scaled exactly."""

import numpy as np
from edgeproof.sources import digits


def test_training_and_held_out_digits_are_all_digits():
    training, held = digits.load_training_digits(), digits.load_heldout_digits()
    assert [len(side[0]) for side in (training, held)] == [1297, 500]
    for inputs, labels in (training, held):
        assert inputs.dtype == np.float32 and inputs.shape[1:] == digits.SHAPE and len(labels) == len(inputs)
        assert inputs.min() == 0 and inputs.max() == 1 and (inputs * 16 == np.round(inputs * 16)).all()
        assert labels.dtype == np.int64 and set(labels.tolist()) == set(range(digits.CLASSES))
    images = np.concatenate([training[0], held[0]]).reshape(1797, -1)
    assert len(np.unique(images, axis=0)) == 1797  # no sample in both


def test_the_origin_names_source_and_split():
    assert "UCI" in digits.describe_digits() and "1297-1796" in digits.describe_digits()
