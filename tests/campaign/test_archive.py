"""A results folder that was archived: copied into a fresh clone it says what it said, and nothing is done again."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from edgeproof.bench.survival import CAMPAIGN, PROTOCOL
from edgeproof.core.attempts import RECORD
from edgeproof.core.seals import seal

from ..workflow.conftest import Workspace, copy_repository

pytestmark = pytest.mark.campaign
ELSEWHERE = "e15e"  # what the identity of another machine begins with
REPORTS = ("report.html", "report.md")
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d| UTC)?")


class Archive:
    """A campaign that was made once. `config`: its file; `name`: of its evidence."""

    def __init__(self, workspace, config, name):
        self.workspace, self.config, self.name = workspace, config, name

    def run(self, workspace=None):
        options = ["--replace-workflow-config"] if self.name == "survival" else []
        return (workspace or self.workspace).snakemake(*options, config=self.config)

    def make_clone(self, folder):
        """Return a fresh copy of the repository without results."""
        clone = copy_repository(folder)
        for path in (self.config, "config/protocols/blink.yaml", "config/devices/local.yaml"):
            if (self.workspace.root / path).exists():
                shutil.copy(self.workspace.root / path, clone.root / path)
        return clone

    def read_reports(self, workspace=None):
        folder = (workspace or self.workspace).root / "results/evidence" / self.name
        return {name: TIME.sub("TIME", (folder / name).read_text()) for name in REPORTS}


@pytest.fixture(scope="module", params=["fake", "real"])
def archive(request, tmp_path_factory):
    """The fake campaign, and two cells of the digits that are measured for real."""
    workspace = copy_repository(tmp_path_factory.mktemp("archive") / "edgeproof")
    lock = tmp_path_factory.mktemp("lock") / "device.lock"
    workspace.edit("config/devices/local.yaml", "timeout_s: 600", f"timeout_s: 600\nlock: {lock}")
    made = Archive(workspace, "config/fake.yaml", "fake")
    if request.param == "real":
        workspace.write("config/survival.yaml", yaml.safe_dump(CAMPAIGN))
        workspace.write("config/protocols/blink.yaml", yaml.safe_dump(PROTOCOL | {"warmup_runs": 10}))
        made = Archive(workspace, "config/survival.yaml", "survival")
    made.code = made.run().returncode  # what a busy machine disturbs does not pass the gate
    assert (workspace.root / "results/evidence" / made.name / "report.html").is_file()
    return made


def copy_all(source, target):
    subprocess.run(["cp", "-a", source / "results", target], check=True)


def copy_without_times(source, target):
    subprocess.run(["cp", "-r", source / "results", target], check=True)


def zip_and_unzip(source, target):
    """Zip here, and unzip where the clock shows another time of day."""
    if not shutil.which("zip") or not shutil.which("unzip"):
        pytest.skip("zip and unzip are not installed")
    here, there = ({**os.environ, "TZ": zone} for zone in ("Europe/Berlin", "America/Los_Angeles"))
    subprocess.run(["zip", "-q", "-r", target / "results.zip", "results"], cwd=source, env=here, check=True)
    subprocess.run(["unzip", "-q", "-o", "results.zip"], cwd=target, env=there, check=True)


@pytest.mark.parametrize("way", [copy_all, copy_without_times, zip_and_unzip])
def test_a_copy_in_a_fresh_clone_does_nothing_again(archive, tmp_path, way):
    clone = archive.make_clone(tmp_path / "edgeproof")
    way(archive.workspace.root, clone.root)
    require_nothing_done(archive, clone)


def test_a_clone_by_git_with_the_results_beside_it_does_nothing_again(archive, tmp_path):
    origin = archive.make_clone(tmp_path / "origin").root
    author = ["-c", "user.name=archive", "-c", "user.email=archive@localhost"]
    for words in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "archived"]):
        subprocess.run(["git", *words], cwd=origin, check=True)
    subprocess.run(["git", "clone", "-q", origin, tmp_path / "edgeproof"], check=True)
    clone = Workspace(tmp_path / "edgeproof")
    copy_without_times(archive.workspace.root, clone.root)
    require_nothing_done(archive, clone)


def require_nothing_done(archive, clone):
    """Require that a run of the clone starts no session and no converter, and ends as the original did."""
    attempts = clone.list_attempts()
    assert attempts == archive.workspace.list_attempts() and len(attempts) > 4
    done = archive.run(clone)
    assert done.returncode == archive.code, done.stdout
    assert clone.list_attempts() == attempts  # every session, build, parity and proof would be one
    assert not list(clone.root.glob("results/**/attempts/.*"))
    assert archive.read_reports(clone) == archive.read_reports()
    again = archive.run(clone)
    assert clone.list_attempts() == attempts and again.returncode == archive.code, again.stdout


def test_what_was_measured_on_another_machine_says_so(archive, tmp_path):
    clone = archive.make_clone(tmp_path / "edgeproof")
    copy_all(archive.workspace.root, clone.root)
    results = clone.root / "results"
    for path in filter(Path.is_file, results.rglob("*")):
        inside = path.relative_to(results).parts
        if path.name == RECORD:
            record = json.loads(path.read_text())
            record["machine"]["id"] = f"{ELSEWHERE}{record['machine']['id'][4:]}"
            path.write_text(json.dumps(seal(record)))
        elif "attempts" not in inside:  # what follows from attempts names the machine, too, and is computed again
            path.unlink()
    attempts = clone.list_attempts()
    done = archive.run(clone)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert clone.list_attempts() == attempts
    assert "GATE NOT PASSED" in done.stdout and "elsewhere" in done.stdout
    assert all("elsewhere" in text for text in archive.read_reports(clone).values())
    config = yaml.safe_load((clone.root / archive.config).read_text())
    config["gate"] = {"tolerate": ["elsewhere"]}
    clone.write(archive.config, yaml.safe_dump(config))
    done = archive.run(clone)
    assert done.returncode == 0, done.stdout
    assert clone.list_attempts() == attempts
