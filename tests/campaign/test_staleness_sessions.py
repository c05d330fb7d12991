"""What starts a session: a change of what decides the raw data, and nothing else."""

import json
import random

import pytest

from ..workflow.conftest import REPOSITORY, copy_repository

pytestmark = pytest.mark.campaign
ROWS = json.loads((REPOSITORY / "tests/data/staleness_matrix.json").read_text())
SEED, DRAWN = 20, 40
MADE = {"build_fake", "check_parity", "measure_run", "calibrate_cell", "measure_pairs", "judge_pair", "write_report"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    workspace = copy_repository(tmp_path_factory.mktemp("sessions") / "edgeproof")
    workspace.edit("config/devices/local.yaml", "timeout_s: 600", "timeout_s: 600\nlock: device.lock")
    workspace.edit("config/presets/fake.yaml", "  int8: {}", "  int8: {min_cosine: 0.5}")
    done = workspace.snakemake()
    assert done.returncode == 0, done.stdout
    return workspace


@pytest.fixture
def workspace(made, tmp_path):
    return made.copy(tmp_path / "edgeproof")


def draw_code():
    """Return files of code that the matrix says run something here and start no session, drawn by the seed."""
    files = [
        name
        for name, row in ROWS.items()
        if name.startswith("scripts/") and name.endswith(".py") and row["runs"].keys() & MADE and not row["measures"]
    ]
    return random.Random(SEED).sample(sorted(files), DRAWN - 4)


def edit_code(workspace, path):
    workspace.write(path, (workspace.root / path).read_text() + "\nEDITED = True\n")


def list_sessions(workspace):
    """Return the attempts that a session of the agent made."""
    kinds = {name: json.loads((workspace.root / "results" / name / "attempt.json").read_text()) for name in
             workspace.list_attempts()}  # fmt: skip
    return sorted(name for name, record in kinds.items() if record["kind"] in ("session", "pairs"))


def test_forty_changes_that_decide_no_raw_data_start_no_session(workspace):
    """All at once: each is in the keys of other jobs, and a session would be started by any of them."""
    before = list_sessions(workspace)
    for path in draw_code():
        edit_code(workspace, path)
    workspace.edit("config/presets/fake.yaml", "min_cosine: 0.5", "min_cosine: 0.6")
    workspace.edit("config/policies/strict.yaml", "tags_are_a_set: true", "tags_are_a_set: false")
    workspace.edit("config/devices/local.yaml", "timeout_s: 600", "timeout_s: 601")
    workspace.edit("config/devices/local.yaml", "lock: device.lock", "lock: another.lock")
    remade = workspace.remade_by()
    assert {"artifacts", "runs", "calibration", "comparability", "evidence"} <= {path.split("/")[0] for path in remade}
    assert list_sessions(workspace) == before


def test_a_change_of_what_is_measured_starts_the_sessions_of_its_cells(workspace):
    """The other side: the count above can see a session."""
    before = list_sessions(workspace)
    assert ROWS["scripts/edgeproof/agent/blocks.py"]["measures"]
    edit_code(workspace, "scripts/edgeproof/agent/blocks.py")
    workspace.remade_by("results/runs/digits-cnn/fake/local/fp32/result.json")
    (new,) = set(list_sessions(workspace)) - set(before)
    assert new.startswith("runs/digits-cnn/fake/local/fp32/attempts/")
