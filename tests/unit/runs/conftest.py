"""Sessions of pairs on the fake backend, in a repository of its own."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from edgeproof.core.keys import compose_key
from edgeproof.runs.paired_sessions import PairPlace, measure_session

PROTOCOL = {
    "warmup_runs": 3,
    "warmup_seconds": 0.0,
    "min_samples": 20,
    "min_seconds": 0.0,
    "max_timer_share": 0.05,
    "block_seconds": 0.0005,
    "block_pairs": 10,
}
KEY = compose_key({"of": "a test"})


class PairsMaker:
    """Measures sessions of pairs of two fake artifacts of 1 ms below the folder `c`."""

    def __init__(self, root):
        self.root, self.folder = Path(root), Path(root) / "c"
        self.artifact = self.root / "artifact.json"
        self.artifact.write_text(json.dumps({"seed": "s", "latency_ms": 1.0, "outputs": [["y", [1, 3]]]}))
        np.savez(self.root / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})

    def place(self, **device):
        described = {"name": "d", "transport": "local", "lock": str(self.root / "lock"), **device}
        return PairPlace(self.root / "inputs.npz", described, PROTOCOL, sys.executable)

    def arms(self, **right):
        arm = {"backend": "fake", "precision": "fp32", "artifact": str(self.artifact), "runtime": {}}
        return {"left": arm, "right": {**arm, "runtime": right}}

    def measure(self, pairs=2, seconds=None, goes_on=lambda pairs: True, right=None, first_pair=0, **device):
        plan = {"budget": {"pairs": pairs, "seconds": seconds}, "first_pair": first_pair}
        return measure_session(self.folder, "c", KEY, self.arms(**(right or {})), self.place(**device), plan, goes_on)


@pytest.fixture
def maker(tmp_path, monkeypatch):
    """A PairsMaker whose folder is the current one."""
    monkeypatch.chdir(tmp_path)
    return PairsMaker(tmp_path)
