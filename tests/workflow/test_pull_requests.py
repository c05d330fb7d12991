"""The example of docs/ci.md, run as it stands there: a board gates branches of a bare repository against its baseline.

Simulated times take the place of a board's, and names of the fake campaign that of the example's.
"""

import os
import re
import subprocess
import sys

import pytest
import yaml

from .conftest import REPOSITORY

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]
PASSED = "**Gate of campaign pull-request passed.**"
NAMES = {"detector": "digits-cnn", "ort-cpu": "fake", "int8": "fp32", r"(?<=[/\[: ])board": "local"}


def read_example():
    """Return the commands of docs/ci.md that set the baseline (first, and on merge), its campaign and its CI steps."""
    page = (REPOSITORY / "docs/ci.md").read_text()
    found = re.findall(r"^```\w*\n((\w+)[: ].*?)^```$", page, re.MULTILINE | re.DOTALL)
    blocks = {head: text for text, head in found}
    (on_merge,) = re.findall(r"`(edgeproof baseline promote\s[^`]*)`", page)
    steps = [step["run"] for step in yaml.safe_load(blocks["name"])["jobs"]["measure"]["steps"] if "run" in step]
    assert steps[0] == "make setup" and len(steps) == 3  # the environment is there
    return rename(blocks["edgeproof"]), rename(" ".join(on_merge.split())), rename(blocks["campaign"]), steps[1:]


def rename(text):
    """Return the example's text with the names of the fake campaign."""
    for pattern, name in NAMES.items():
        text = re.sub(pattern, name, text)
    return text


class Board:
    """The checkout of a runner of one's own, which keeps `results/` between jobs."""

    def __init__(self, workspace, central):
        self.workspace, self.central = workspace, central
        self.git("init", "-q", "-b", "main")
        self.commit("main")
        subprocess.run(["git", "init", "-q", "--bare", central], check=True)
        self.git("remote", "add", "origin", str(central))
        self.git("push", "-q", "origin", "main")

    def git(self, *words):
        """Run git in the checkout."""
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *words], cwd=self.workspace.root, check=True)

    def commit(self, subject):
        """Commit all that is not ignored."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", subject)

    def propose(self, branch, path, old, new):
        """Push a branch that changes one file, and leave the checkout on main as before."""
        self.git("checkout", "-q", "-b", branch, "origin/main")
        self.workspace.edit(path, old, new)
        self.commit(branch)
        self.git("push", "-q", "origin", branch)
        self.git("checkout", "-q", "main")
        self.git("branch", "-q", "-D", branch)

    def shell(self, text):
        """Run commands of the page here; return the exit code."""
        python = f"{sys.executable} -m"
        text = re.sub(r"(?m)(?:\.venv/bin/|^)(edgeproof|snakemake)(?= )", rf"{python} \1", text.replace("\n  ", " "))
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("SNAKEMAKE_")}
        own = {"PYTHONPATH": "scripts", "GITHUB_STEP_SUMMARY": "summary.md"}
        return subprocess.run(["bash", "-ec", text], cwd=self.workspace.root, env=inherited | own).returncode

    def judge(self, branch, steps):
        """Fetch a branch and run the job's steps on it; return (exit code of measuring, comment on the request)."""
        self.git("fetch", "-q", "origin")
        self.git("checkout", "-q", "--detach", f"origin/{branch}")
        measure, tell = steps
        code = self.shell(measure)
        assert self.shell(tell) == 0  # also after a failure
        comment = (self.workspace.root / "comment.md").read_text()
        assert comment in (self.workspace.root / "summary.md").read_text() and len(comment.splitlines()) <= 20
        return code, comment


def test_a_board_gates_pull_requests_as_the_page_says(workspace, tmp_path):
    keep, keep_merged, campaign, steps = read_example()
    workspace.write("config/mine.yaml", f"{campaign}calibration: null\n")
    board = Board(workspace, tmp_path / "central.git")
    assert board.shell(keep) == 0
    preset = "config/presets/fake.yaml"
    board.propose("equal", preset, "simulated times and outputs", "simulated times, and outputs")
    board.propose("slower", preset, "latency_ms: 5.0", "latency_ms: 6.0")
    board.propose("faster", preset, "latency_ms: 5.0", "latency_ms: 4.0")
    board.propose("unclear", preset, "noise: 0.01", "noise: 0.3")

    code, comment = board.judge("equal", steps)
    assert code == 0 and PASSED in comment and "equivalent" in comment

    code, comment = board.judge("unclear", steps)
    assert code != 0 and PASSED not in comment and "Undecided" in comment and "not judged" in comment

    code, comment = board.judge("slower", steps)
    assert code != 0 and PASSED not in comment and re.search(r"1\.[12]\d* times as long", comment)

    assert board.shell(keep_merged) != 0  # what is slower does not become the baseline

    code, comment = board.judge("faster", steps)
    assert code == 0 and PASSED in comment and "times as fast" in comment
    assert board.shell(keep_merged) != 0  # nor what is simulated, even if it is faster
    assert board.shell(f"{keep} --replace".replace("\n", "")) == 0
    code, comment = board.judge("faster", steps)  # it is the baseline now
    assert code == 0 and PASSED in comment and "equivalent" in comment
