"""The UCI handwritten digits in scikit-learn, 1797 grey images of 8x8 pixels, and how we split and scale them.

Samples 0-1296 train, samples 1297-1796 are held out. The data are the test part of "Optical Recognition of Handwritten
Digits" (E. Alpaydin and C. Kaynak 1998, UCI Machine Learning Repository), written by 13 people and not shuffled, so
some of the held-out samples were written by people who wrote none of the training samples. No two images are equal.
"""

from typing import Any

import numpy as np
import sklearn
from sklearn.datasets import load_digits

TRAINING = 1297  # the first that many train, the rest is held out
SHAPE = (1, 8, 8)  # channels, rows, columns
CLASSES = 10


def load_training_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return `(inputs, labels)` of the training digits 0-1296: float32 `(1297, 1, 8, 8)` in 0..1, int64 `(1297,)`."""
    inputs, labels = _load_digits()
    return inputs[:TRAINING], labels[:TRAINING]


def load_heldout_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return `(inputs, labels)` of the held-out digits 1297-1796, in the form of `load_training_digits`."""
    inputs, labels = _load_digits()
    return inputs[TRAINING:], labels[TRAINING:]


def describe_digits() -> str:
    """Return one line about where the digits come from."""
    return (
        "UCI Machine Learning Repository, Optical Recognition of Handwritten Digits, test set, as in "
        f"scikit-learn {sklearn.__version__} (load_digits), pixels divided by 16; calibration: training samples from 0 "
        f"on (digits-cnn was trained on 0-{TRAINING - 1}), evaluation: all held-out samples {TRAINING}-1796"
    )


def _load_digits():
    data: Any = load_digits()
    inputs = (data.images / 16.0).astype(np.float32).reshape(-1, *SHAPE)  # sixteenths: exact in binary
    return inputs, data.target.astype(np.int64)
