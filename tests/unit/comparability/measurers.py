"""What measures the pairs of a made-up comparison on the fake backend."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from edgeproof.comparability.measured_pairs import PairsJob, measure_pairs, read_sessions
from edgeproof.core.attempts import list_attempts
from edgeproof.core.dependence import estimate_dependence
from edgeproof.core.errors import UserError
from edgeproof.core.layout import comparison_folder
from edgeproof.core.seals import seal
from edgeproof.runs.paired_sessions import PairPlace

PROTOCOL = {
    "warmup_runs": 3,
    "warmup_seconds": 0.0,
    "min_samples": 20,
    "min_seconds": 0.0,
    "max_timer_share": 0.05,
    "block_seconds": 0.0005,
    "block_pairs": 10,
}


class Measurer:
    """Measures a comparison of two fake artifacts, whose latencies are 1 ms and 1 ms · `ratio`."""

    def __init__(self, room):
        self.room, self.root = room, room.root
        self.inputs = self.root / "inputs.npz"
        np.savez(self.inputs, **{"inputs/x": np.zeros((2, 4), "float32")})
        self.ratio, self.noise, self.agent = 1.0, 0.01, "a" * 64

    def artifact(self, ratio):
        path = self.root / f"artifact-{ratio}.json"
        path.write_text(json.dumps({"seed": str(ratio), "latency_ms": ratio, "outputs": [["y", [1, 3]]]}))
        return path

    def job(self, campaign="trial", pairs=4, seconds=None, margin=0.02, comparisons=1):
        folder = Path(comparison_folder(campaign, "pair"))
        if not (folder / "verdict.json").exists():
            folder.mkdir(parents=True)
            shutil.copy(self.room.folder / "verdict.json", folder)
        arm = {"backend": "fake", "precision": "fp32", "runtime": {"noise": self.noise}}
        return PairsJob(
            comparison="pair",
            verdict=folder / "verdict.json",
            arms={"left": arm, "right": arm},
            artifacts={"left": self.artifact(1.0), "right": self.artifact(self.ratio)},
            inputs={"left": self.inputs, "right": self.inputs},
            place=PairPlace(
                self.inputs, {"name": "desk", "transport": "local", "lock": "lock"}, PROTOCOL, sys.executable
            ),
            design={"margin": margin, "comparisons": comparisons},
            dependence=estimate_dependence([]),
            budget={"pairs": pairs, "seconds": seconds},
            agent=self.agent,
            table=folder / "pairs.csv",
            record=folder / "pairs.json",
        )

    def measure(self, *arguments, **options):
        """Measure and return `pairs.json`, read back from raw times."""
        job = self.job(*arguments, **options)
        measure_pairs(job)
        return read_sessions(job.record, job.table)[0]

    def count_attempts(self, campaign="trial"):
        return len(list_attempts(comparison_folder(campaign, "pair")))

    def move_to(self, machine):
        """Make all attempts those of another machine."""
        for path in self.root.glob("results/comparability/*/*/attempts/*/attempt.json"):
            self.room.edit(path, lambda record: record.update(seal(record | {"machine": record["machine"] | machine})))


@pytest.fixture(scope="session")
def state():
    """What a session on this machine meets, once it has been found out."""
    return {}


@pytest.fixture
def stranger(room):
    """A Measurer whose results were measured on a made-up machine."""
    room.make(ratio=0.6)
    for path in (room.folder / "attempts", room.folder / "pairs.csv", room.folder / "pairs.json"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return Measurer(room)


@pytest.fixture
def measurer(stranger, state):
    """A Measurer whose comparison may be measured on this machine."""
    room = stranger.room
    if not state:
        with pytest.raises(UserError):
            stranger.measure(pairs=1)
        (attempt,) = list_attempts(room.folder)
        state.update(attempt.record["facts"]["state"])
        shutil.rmtree(room.folder / "attempts")
    room.edit(room.folder / "verdict.json", lambda verdict: [verdict[side].update(state=state[side]) for side in state])
    return stranger


def pairs_of(document):
    return [session["pairs"] for session in document["sessions"]]
