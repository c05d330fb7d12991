"""A board behind a stand-in `ssh`: what it is asked runs in a shell here, in a home of its own."""

import json
import os
import sys

import numpy as np
import pytest
from edgeproof.core.keys import compose_key
from edgeproof.runs.paired_sessions import PairPlace, measure_session
from edgeproof.runs.sessions import SessionSetup, run_session

# The last word is the command. `cut` holds after how many bytes of answers the link is lost, `refuse` what ssh says
# instead of logging in.
_SSH = """#!/bin/sh
for last; do :; done
echo "$@" >> {root}/calls
if [ -e {root}/refuse ]; then cat {root}/refuse >&2; exit 255; fi
HOME={root}/home; export HOME
if [ -e {root}/cut ]; then
  size=$(cat {root}/cut); rm {root}/cut
  exec '{python}' {root}/bin/cut-link "$size" "$last"
fi
exec sh -c "$last"
"""
# Passes on so many bytes of the answers, and is gone.
_CUT = """import os, subprocess, sys
size, command = int(sys.argv[1]), sys.argv[2]
left = size
process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE)
while left:
    chunk = os.read(process.stdout.fileno(), left)
    if not chunk:
        break
    left -= os.write(1, chunk)
process.kill()
with open(os.path.join(os.path.dirname(sys.argv[0]), "..", "passed"), "w") as stream:
    stream.write(str(size - left))
print("client_loop: send disconnect: Broken pipe", file=sys.stderr)
sys.exit(255)
"""
# Stands for the Python that runs a process of the agent, and counts how often one is started.
_COUNTING = """#!/bin/sh
echo started >> {root}/started
exec '{python}' "$@"
"""
PROTOCOL = {"warmup_runs": 1, "warmup_seconds": 0, "min_samples": 5, "min_seconds": 0, "max_timer_share": 0.01}
PAIRS_PROTOCOL = PROTOCOL | {"max_timer_share": 0.05, "block_seconds": 0.0005, "block_pairs": 10}
KEY = compose_key({"of": "a test"})


class StandInBoard:
    """A board, and the measurements of a fake arm of 1 ms on it."""

    def __init__(self, root):
        self.root, self.home = root, root / "home"
        self.home.mkdir()
        self._write_program("bin/ssh", _SSH)
        (root / "bin/cut-link").write_text(_CUT)
        self.counting = self._write_program("counting-python", _COUNTING)
        self.artifact = root / "artifact.json"
        self.artifact.write_text(json.dumps({"seed": "s", "latency_ms": 1.0, "outputs": [["y", [1, 3]]]}))
        np.savez(root / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})
        self.arm = {"backend": "fake", "precision": "fp32", "artifact": str(self.artifact), "runtime": {}}

    def _write_program(self, name, text):
        path = self.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.format(root=self.root, python=sys.executable))
        path.chmod(0o755)
        return path

    def device(self, **options):
        return {
            "name": "d",
            "transport": "ssh",
            "host": "board.example",
            "interpreter": sys.executable,
            "lock": str(self.root / "lock"),
            **options,
        }

    def cut_after(self, size):
        """Lose the next link after so many bytes of answers."""
        (self.root / "cut").write_text(str(size))

    def count_answered(self):
        """Return how many bytes of answers the last link that could be cut has passed on."""
        return int((self.root / "passed").read_text())

    def refuse(self, text):
        """Let ssh say this in place of every login."""
        (self.root / "refuse").write_text(text)

    def run(self, index=0, processes=2, **device):
        """Measure a session of one arm on the board."""
        setup = SessionSetup(self.root / "inputs.npz", self.device(**device), PROTOCOL, sys.executable)
        arm = {**self.arm, "interpreter": str(self.counting)}
        return run_session(self.root / "r", "m/p/d/fp32", {"candidate": arm}, ["candidate"] * processes, setup, index)

    def measure_pairs(self, pairs, goes_on):
        """Measure a session of pairs on the board."""
        place = PairPlace(self.root / "inputs.npz", self.device(), PAIRS_PROTOCOL, sys.executable)
        plan = {"budget": {"pairs": pairs, "seconds": None}, "first_pair": 0}
        return measure_session(self.root / "c", "c", KEY, {"left": self.arm, "right": self.arm}, place, plan, goes_on)

    def count_started(self):
        """Return how many processes of the agent have measured."""
        path = self.root / "started"
        return len(path.read_text().split()) if path.exists() else 0

    def list_sessions(self):
        """Return the folders of sessions that are on the board."""
        return sorted((self.home / ".edgeproof/sessions").iterdir())

    def list_files(self, pattern):
        """Return what lies in edgeproof's folder on the board."""
        return sorted((self.home / ".edgeproof").glob(pattern))


def set_up_board(root, patch):
    """Return a StandInBoard that `ssh` reaches; the current folder becomes its own."""
    patch.chdir(root)
    made = StandInBoard(root)
    patch.setenv("PATH", f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}")
    patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    patch.setenv("XDG_RUNTIME_DIR", str(root))
    return made


@pytest.fixture
def board(tmp_path, monkeypatch):
    """A StandInBoard that `ssh` reaches; the current folder is that of the test."""
    return set_up_board(tmp_path, monkeypatch)
