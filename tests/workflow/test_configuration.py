"""Profiles work as the README says, and a mistake in the configuration is one clear line."""

import re
import subprocess

import pytest
from edgeproof.__main__ import main
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.program_start import run

from .conftest import REPOSITORY, Workspace

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clone") / "edgeproof"
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(folder)], check=True)
    return Workspace(folder)


@pytest.fixture
def edited(clone):
    """A function that replaces text in a file of the clone and returns the clone, whose files are put back."""
    kept = {}

    def edit(path, old, new):
        kept.setdefault(path, (clone.root / path).read_text())
        clone.edit(path, old, new)
        return clone

    yield edit
    for path, text in kept.items():
        clone.write(path, text)


@pytest.mark.parametrize("profile", ["local", "jetson", "rpi"])
def test_profile_by_its_literal_name_in_a_fresh_clone(clone, profile):
    done = clone.snakemake("-n", "--quiet", "rules", profile=profile, config=None)
    assert done.returncode == 0, done.stdout
    assert "measure_run" in done.stdout


def test_the_cluster_s_profile_plans_both_boards_in_a_fresh_clone(clone):
    """With the plugin that `make test` has put beside the environment."""
    plugin = REPOSITORY / ".venv/cluster"
    assert plugin.is_dir(), "make .venv/cluster.stamp"
    done = clone.snakemake("-n", "runs", "comparability", profile="cluster", config=None, PYTHONPATH=str(plugin))
    assert done.returncode == 0, done.stdout
    planned = set(re.findall(r"Measuring (?:the pairs of )?(\S+)", done.stdout))
    models = {"digits-cnn": ("fp32", "fp16", "int8", "int8-dynamic"), "squeezenet": ("fp32", "int8")}
    cells = {
        f"{model}/ort-cpu/{device}/{precision}"
        for model, precisions in models.items()
        for device in ("jetson", "rpi")
        for precision in precisions
    }
    assert planned == {*cells, "jetson-fp32-vs-int8", "rpi-fp32-vs-int8"}


MISTAKES = [
    ("config/fake.yaml", "models: [digits-cnn]", "models: [digit-cnn]", "'digit-cnn' is not in config/models/"),
    ("config/fake.yaml", "policy: strict", "policy: lax", "'lax' is not in config/policies/"),
    ("config/fake.yaml", "matrices:", "matrixes:", "unknown key 'matrixes'"),
    ("config/fake.yaml", "fp16, int8,", "fp8, int8,", "does not build 'fp8'"),
    ("config/presets/fake.yaml", "noise: 0.01", "noise: .nan", "a finite number"),
    ("config/presets/fake.yaml", "built: host", "built: host\nbuilt: host", "'built' occurs twice"),
    ("config/presets/fake.yaml", "noise: 0.01", "noise: true", "runtime.noise is true"),
    ("config/devices/local.yaml", "transport: local", "transport: carrier-pigeon", "transport is"),
]


@pytest.mark.parametrize(("path", "old", "new", "message"), MISTAKES)
def test_mistake_in_the_configuration_is_one_line(edited, monkeypatch, capsys, path, old, new, message):
    workspace = edited(path, old, new)
    monkeypatch.chdir(workspace.root)
    assert run(lambda arguments: main(arguments, workspace.root), ["campaign", "config/fake.yaml"]) == ExitCode.MISTAKE
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and message in told and path.split("/")[-1] in told


@pytest.mark.parametrize(("path", "old", "new", "message"), [MISTAKES[0], MISTAKES[4]])
def test_snakemake_says_the_same_line_and_nothing_else_of_it(edited, path, old, new, message):
    done = edited(path, old, new).snakemake("-n")
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if message in line]
    assert path.split("/")[-1] in line


def test_unknown_name_in_a_target_is_no_job(clone):
    done = clone.snakemake("-n", "results/runs/digits-cnn/fake/moon/fp32/result.json")
    assert done.returncode != 0
    assert "MissingRuleException" in done.stdout
