"""Taking turns with the runtimes of the toolchains: what is planted comes back, and a waiting process is idle."""

import subprocess
import sys

import pytest
from edgeproof.core.documents import read_json

pytestmark = pytest.mark.toolchain


@pytest.fixture(scope="module")
def document(converted):
    """Interference of what the campaign has built, measured for a few minutes."""
    few = ["--minutes", "4", "--output", "interference.json"]
    subprocess.run([sys.executable, "scripts/bench_interference.py", *few], cwd=converted.root, check=True)
    return read_json(converted.root / "interference.json", "bench-interference")


@pytest.mark.parametrize("preset", ["ort-cpu", "litert-cpu", "openvino-cpu", "torchscript-cpu"])
def test_every_runtime_takes_turns_and_shows_what_is_planted(document, preset):
    cases = {case["planted"]: case for case in document["cases"] if case["preset"] == preset}
    assert sorted(cases) == [0.0, 0.03]
    for planted, case in cases.items():
        assert case["model"] == "digits-cnn" and case["stretches"] >= 2  # as the minutes allowed
        # The interval is of 95 %; a machine that tests run on is seldom quiet enough for half a per cent.
        assert case["low"] - 0.02 <= planted <= case["high"] + 0.02


def test_a_waiting_process_uses_no_cpu(document):
    assert document["waiting_cpu_share"] < 0.01
