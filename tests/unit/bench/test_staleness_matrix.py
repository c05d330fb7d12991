"""What makes what stale: the kept matrix is that of today's configuration and code, and says what it should."""

import json
import re

import pytest
from edgeproof.bench.changed_values import list_keys_known
from edgeproof.bench.staleness_matrix import build_matrix, list_all_jobs, read_documents, render_matrix
from edgeproof.comparability.measured_pairs import compose_pairs_key
from edgeproof.core.catalogues import CATALOGUES
from edgeproof.core.documents import load_schema
from edgeproof.core.layout import REPOSITORY
from edgeproof.runs.paired_sessions import PairPlace
from edgeproof.runs.sessions import SessionSetup, compose_session_key
from edgeproof.workflow.attempt_keys import list_raw_parts

CAMPAIGN = REPOSITORY / "tests/data/staleness_campaign.yaml"
MATRIX = REPOSITORY / "tests/data/staleness_matrix.json"
STORED = {"artifact", "baseline"}  # name files below results/; tests/workflow/test_baselines.py has them


@pytest.fixture(scope="module")
def rows():
    return json.loads(MATRIX.read_text())


@pytest.fixture(scope="module")
def jobs():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        yield list_all_jobs(read_documents(CAMPAIGN))


def test_the_kept_matrix_is_todays(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    assert render_matrix(build_matrix(CAMPAIGN)) == MATRIX.read_text(), "run `make staleness` and read the difference"


@pytest.mark.parametrize("kind", [*CATALOGUES, "campaign"])
def test_every_key_of_a_schema_has_a_row(rows, kind):
    """A key that holds others is in the rows of those."""
    known = {pointer.rsplit("/", 1)[1] for pointer in list_keys_known(load_schema(kind))}
    named = {part for row in rows if row.startswith(f"{kind} ") for part in row.split(": ", 1)[1].split(".")}
    assert known - named == (STORED if kind == "campaign" else set())


def test_every_file_of_code_has_a_row(rows):
    files = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "scripts").rglob("*.py")}
    assert files - set(rows) == set()


def test_what_only_people_read_changes_nothing(rows):
    words = [row for row in rows if re.search(r": description$|_texts\.py$", row)]
    assert len(words) > 8
    assert [row for row in words if rows[row]["runs"]] == []


@pytest.mark.parametrize(
    "pattern",
    [
        r"preset \S+: parity\.",
        r"(policy|regression-policy|criteria) ",
        r"campaign \S+: (regressions|gate|criteria|comparisons\.\d+\.(policy|criteria|gate|varies))",
        r"device board: timeout_s",
        r"scripts/edgeproof/(evidence|plans/solver)/",
        r"scripts/(judge_pair|report_comparison|judge_regression|decide_deployment|write_report)\.py",
    ],
)
def test_what_decides_no_raw_data_takes_no_device_time(rows, pattern):
    """A plan that is made again may be another one, which was not run before."""
    found = {row: value for row, value in rows.items() if re.match(pattern, row) and isinstance(value, dict)}
    assert found
    assert {row for row, value in found.items() if set(value["measures"]) - {"check_plan"}} == set()


def test_a_devices_lock_is_in_no_build(rows):
    assert not [rule for rule in rows["device board: lock"]["runs"] if rule.startswith("build_")]


def test_the_agent_is_in_every_measurement(rows):
    measured = rows["scripts/edgeproof/agent/blocks.py"]["measures"]
    assert set(measured) == {"calibrate_cell", "check_plan", "measure_links", "measure_pairs", "measure_run"}


def test_the_parts_of_a_key_that_decide_raw_data_are_those_of_attempts(jobs, tmp_path):
    """The matrix says `measures` by parts of job keys; attempts are found by their own keys."""
    inputs, artifact = tmp_path / "inputs.npz", tmp_path / "artifact"
    for path in (inputs, artifact):
        path.write_bytes(b"made up")
    run = next(job for job in jobs.values() if job.rule == "measure_run")
    arms = {"candidate": {**run.key["arm"], "artifact": str(artifact)}}
    setup = SessionSetup(inputs, run.key["device"], run.key["protocol"], "python")
    order = ["candidate"] * run.key["protocol"]["processes"]
    real, said = compose_session_key(arms, order, setup)["parts"], list_raw_parts(run)
    assert {k: v for k, v in real["arms"]["candidate"].items() if k != "artifact"} == said["arm"]
    assert len(real["order"]) == said["processes"] and real["agent"] == said["agent"]
    assert (real["device"], real["timing"]) == (said["device"], said["timing"])
    assert set(real) == {"arms", "order", "inputs", "device", "timing", "agent"}
    pairs = next(job for job in jobs.values() if job.rule == "measure_pairs")
    verdict = {side: {"artifact_sha256": "0" * 64} for side in ("left", "right")}
    place = PairPlace(inputs, pairs.key["device"], pairs.key["protocol"], "python")
    both = dict.fromkeys(("left", "right"), inputs)
    real = compose_pairs_key(pairs.key["arms"], verdict, both, place, pairs.key["agent"])["parts"]
    said = list_raw_parts(pairs)
    assert {name: real[name] for name in said} == said
    assert set(real) - set(said) == {"artifacts", "inputs"}
