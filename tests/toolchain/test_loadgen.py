"""LoadGen for real: its environment is made from the lock, and it times the session that we time."""

import subprocess
import sys

import pytest
from edgeproof.core.documents import read_json

pytestmark = pytest.mark.toolchain


def test_loadgen_and_we_time_the_same_session(converted):
    root = converted.root
    make = ["--toolchain", "loadgen", "--lock", "envs/loadgen.lock", "--output", "results/toolchains/loadgen.json"]
    subprocess.run([sys.executable, "scripts/make_toolchain.py", *make], cwd=root, check=True)
    few = ["--model", "digits-cnn", "--processes", "2", "--turns", "4", "--queries", "200"]
    subprocess.run([sys.executable, "scripts/bench_loadgen.py", *few, "--output", "made.json"], cwd=root, check=True)
    document = read_json(root / "made.json", "bench-loadgen")
    assert (document["scenario"], document["processes"], document["queries"]) == ("SingleStream", 2, 200)
    assert 0.5 < document["ratio"] < 3  # a call of a twentieth of a millisecond, to which LoadGen adds its own way
    summary = (root / "results/calibration/loadgen/process-000/mlperf_log_summary.txt").read_text()
    assert "SingleStream" in summary
