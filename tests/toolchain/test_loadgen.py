"""LoadGen for real: it times the session that we time, and our Server scenario has arrivals like its own."""

import json
import subprocess
import sys

import numpy as np
import pytest
from edgeproof.adaptation.service_load import draw_schedule
from edgeproof.core.documents import read_json
from edgeproof.core.layout import REPOSITORY, toolchain_interpreter
from scipy.stats import ks_2samp

pytestmark = pytest.mark.toolchain
RATE, QUERIES = 1000, 4000


@pytest.fixture(scope="module")
def root(converted):
    """A copy of the repository whose environment `loadgen` has been made from the lock."""
    make = ["--toolchain", "loadgen", "--lock", "envs/loadgen.lock", "--output", "results/toolchains/loadgen.json"]
    subprocess.run([sys.executable, "scripts/make_toolchain.py", *make], cwd=converted.root, check=True)
    return converted.root


def test_loadgen_and_we_time_the_same_session(root):
    few = ["--model", "digits-cnn", "--processes", "2", "--turns", "4", "--queries", "200"]
    subprocess.run([sys.executable, "scripts/bench_loadgen.py", *few, "--output", "made.json"], cwd=root, check=True)
    document = read_json(root / "made.json", "bench-loadgen")
    assert (document["scenario"], document["processes"], document["queries"]) == ("SingleStream", 2, 200)
    assert 0.5 < document["ratio"] < 3  # a call of a twentieth of a millisecond, to which LoadGen adds its own way
    summary = (root / "results/calibration/loadgen/process-000/mlperf_log_summary.txt").read_text()
    assert "SingleStream" in summary


@pytest.mark.parametrize("seed", [1, 2])
def test_arrivals_are_those_of_loadgens_server_scenario(tmp_path, root, seed):
    """Both are drawn from a seed, so nothing here depends on how fast this machine is."""
    command = [root / toolchain_interpreter("loadgen"), REPOSITORY / "tests/toolchain/loadgen_schedule.py"]
    told = subprocess.run(
        [*command, str(RATE), str(QUERIES), str(seed), tmp_path], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    theirs, ours, even = (
        np.diff(due) * RATE
        for due in (
            json.loads(told.splitlines()[-1]),
            draw_schedule("poisson", RATE, QUERIES / RATE, seed),
            draw_schedule("constant", RATE, QUERIES / RATE, seed),
        )
    )
    assert len(theirs) == QUERIES - 1 and abs(theirs.mean() - ours.mean()) < 0.05
    assert ks_2samp(theirs, ours).statistic < 0.045  # the chance of more is 1 in 1,600 where both are exponential
    assert ks_2samp(theirs, even).statistic > 0.5
