"""LiteRT computes on arm64 what it computes here, in float32 and in int8 throughout."""

import subprocess
import sys

import numpy as np
import pytest
from edgeproof.core.layout import REPOSITORY, toolchain_interpreter

from ..workflow.conftest import copy_repository
from .conftest import compare_outputs, python_of

pytestmark = pytest.mark.arm64


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """This machine's Python with LiteRT, made from its lock."""
    root = copy_repository(tmp_path_factory.mktemp("litert") / "edgeproof").root
    make = ["--toolchain", "litert", "--lock", "envs/litert.lock", "--output", "results/toolchains/litert.json"]
    subprocess.run([sys.executable, "scripts/make_toolchain.py", *make], cwd=root, check=True)
    return root / toolchain_interpreter("litert")


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_outputs_are_those_of_this_machine(tmp_path, samples, here, kind):
    """Two roundings may differ by one step of int8; with the wrong kernels most labels do."""
    artifact = tmp_path / "artifact.tflite"
    subprocess.run([here, REPOSITORY / "tests/arm64/write_tflite.py", samples, kind, artifact], check=True)
    arm = {"backend": "litert", "precision": "fp32", "runtime": {"intra_op_threads": 1, "delegate": "xnnpack"}}
    ours, theirs = compare_outputs(arm, artifact, samples, here, python_of("bookworm"))
    reach = np.abs(ours).max()
    assert np.abs(ours - theirs).max() <= (1e-5 if kind == "float32" else 0.02) * reach
    assert (ours.argmax(1) == theirs.argmax(1)).sum() >= 198
    assert len(set(ours.argmax(1))) > 3  # the network tells samples apart
