"""The emulated userlands that `make arm64` has made, and the outputs of one agent beside the other's."""

import numpy as np
import pytest
from edgeproof.artifacts.agreement.execution import infer_outputs
from edgeproof.core.layout import REPOSITORY, toolchain_interpreter
from sklearn.datasets import load_digits


def python_of(release):
    """Return the Python of an emulated userland."""
    python = REPOSITORY / toolchain_interpreter(f"arm64-{release}")
    assert python.exists(), "make arm64 has not been here"
    return python


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """200 digits of 64 numbers in 0 … 1, as a samples file."""
    path = tmp_path_factory.mktemp("samples") / "samples.npz"
    np.savez(path, **{"inputs/x": (load_digits().data[:200] / 16).astype("float32")})
    return path


def compare_outputs(arm, artifact, samples, here, there):
    """Run an artifact on samples under two interpreters; return both outputs as arrays of one row per sample."""
    found = []
    for interpreter in (here, there):
        inference = infer_outputs(str(interpreter), arm, artifact, samples, 200)
        assert inference.reason is None
        (entries,) = inference.outputs.values()
        found.append(np.concatenate(list(entries)))
    assert found[0].shape == found[1].shape and len(found[0]) == 200
    return found
