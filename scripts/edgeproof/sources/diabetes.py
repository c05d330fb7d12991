"""The diabetes data in scikit-learn: 442 patients, ten measurements, the progression of the disease a year later.

Efron, Hastie, Johnstone and Tibshirani, "Least Angle Regression", Annals of Statistics 32 (2004). We use
the measured numbers. scikit-learn's scaled ones use a mean and a deviation over the held-out patients too.
"""

from typing import Any

import numpy as np
import sklearn
from sklearn.datasets import load_diabetes

FEATURES = 10
TRAINING = 300  # patients that train; the other 142 are held out
SPLIT_SEED = 20_041  # of the permutation that splits; the file's order is not documented


def load_training_patients() -> tuple[np.ndarray, np.ndarray]:
    """Return the diabetes training patients' `(inputs, targets)`: float32 `(300, 10)`, standardised, and `(300, 1)`."""
    inputs, targets = _load_patients()
    return inputs[:TRAINING], targets[:TRAINING]


def load_heldout_patients() -> tuple[np.ndarray, np.ndarray]:
    """Return `(inputs, targets)` of the 142 held-out diabetes patients, in the form of `load_training_patients`."""
    inputs, targets = _load_patients()
    return inputs[TRAINING:], targets[TRAINING:]


def describe_diabetes() -> str:
    """Return one line about where the diabetes data come from."""
    return (
        f"diabetes data of Efron et al. 2004 as in scikit-learn {sklearn.__version__} (load_diabetes, unscaled), "
        f"permuted by PCG64({SPLIT_SEED}); each measurement less the mean and divided by the deviation of the first "
        f"{TRAINING}, which trained diabetes-mlp and calibrate; evaluation: the other {442 - TRAINING}"
    )


def _load_patients():
    data: Any = load_diabetes(scaled=False)
    order = np.random.Generator(np.random.PCG64(SPLIT_SEED)).permutation(len(data.data))
    inputs, targets = data.data[order].astype(np.float64), data.target[order]
    known = inputs[:TRAINING]
    inputs = (inputs - known.mean(axis=0)) / known.std(axis=0)
    return inputs.astype(np.float32), targets.astype(np.float32)[:, None]
