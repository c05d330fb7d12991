"""Score what an autoencoder restores: per sample, the share of the variance of the input that its output explains.

An evaluator (docs/sources.md): `python score_restored.py OUTPUTS.npz EVALUATION.npz SCORES.npy`. It takes the first
input and the first output, so it serves any autoencoder whose output has the size of its input.
"""

import sys

import numpy as np


def score_restored(inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return one score per sample, float64 `(n,)`: 1 if all is restored, 0 if no better than the sample's mean."""
    inputs, outputs = (array.reshape(len(array), -1).astype(np.float64) for array in (inputs, outputs))
    around = inputs - inputs.mean(axis=1, keepdims=True)
    return 1 - ((inputs - outputs) ** 2).sum(axis=1) / (around**2).sum(axis=1)


def main(outputs: str, evaluation: str, scores: str) -> None:
    """Read both npz files and write the scores."""
    given, samples = np.load(outputs), np.load(evaluation)
    inputs = next(samples[name] for name in samples.files if name.startswith("inputs/"))
    np.save(scores, score_restored(inputs, given[given.files[0]]))


if __name__ == "__main__":
    main(*sys.argv[1:])
