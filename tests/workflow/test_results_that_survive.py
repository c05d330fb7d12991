"""What used to cost a measurement or to be told wrongly, and the tests that hold it.

| a user | held by |
|---|---|
| copies `results/` into a fresh clone | `campaign/test_archive.py`, `test_staleness.py` |
| fails a re-run: a typo, a full disk, Ctrl-C twice | here (`a_rerun_that_fails`), `campaign/test_survival.py` |
| puts back an older model, agent or policy | here (`older_date`), `unit/sources/test_copying.py` (the sha256) |
| deletes `.snakemake/`, or has `--rerun-triggers mtime` | here (`told_to_look_at_dates`) |
| runs `config/fake.yaml` beside a real campaign | here (`shares_nothing_but_sources`) |
| has two campaigns that share cells | `campaign/test_two_campaigns.py`, `test_staleness.py` |
| has a clock that is wrong | `test_world.py`, `unit/core/test_clock.py`, `unit/core/test_closing.py` |
| writes a key twice, a tab, a wrong indent | `unit/core/test_campaign_files.py` |
| has 2,400 cells | here (`no_argument_grows`), `make bench-judge`, `make bench-noop` |
| edits a comment in code or in a policy | here (`a_comment`), `unit/core/test_code_digest.py` |
| changes a parity threshold | `campaign/test_staleness_sessions.py`, `unit/bench/test_staleness_matrix.py` |
| has locks of editors in `config/` | `test_world.py`, `unit/core/test_campaign.py` |
| lays a file over a campaign | `unit/core/test_campaign_files.py` |
| has one model that cannot be used | `test_input_faults.py`, `unit/sources/test_fetching.py` |
| copies the whole checkout | `unit/core/test_checkout.py` |
| runs 200 cells with nothing to do | `make bench-noop` |
"""

import os
import re
import shutil

import pytest
from edgeproof.core.layout import REPOSITORY
from edgeproof.workflow.job_graph import list_jobs
from edgeproof.workflow.workflow_reading import read_workflow

pytestmark = pytest.mark.workflow
RUN = "results/runs/digits-cnn/fake/local/fp32/result.json"
LONG_AGO = 1_600_000_000


def list_complete(workspace):
    """Return the sessions that measured something; outputs are checked again with whatever agent there is."""
    sessions = [name for name in workspace.list_attempts() if name.startswith(("runs/", "comparability/"))]
    return [name for name in sessions if not (workspace.root / "results" / name / "failure.json").exists()]


def test_a_rerun_that_fails_costs_nothing(workspace):
    """After the repair the result has the same bytes, and no session was started for it."""
    agent = "scripts/edgeproof/agent/session.py"
    good, result, attempts = (
        (workspace.root / agent).read_text(),
        (workspace.root / RUN).read_bytes(),
        list_complete(workspace),
    )
    workspace.write(agent, f"raise SystemExit('a mistake')\n{good}")
    failed = workspace.snakemake(RUN)
    assert failed.returncode != 0
    assert not (workspace.root / RUN).exists()  # Snakemake removes it before the job
    workspace.write(agent, good)
    assert workspace.snakemake(RUN).returncode == 0
    assert (workspace.root / RUN).read_bytes() == result
    assert list_complete(workspace) == attempts


@pytest.mark.campaign  # half a minute
@pytest.mark.parametrize(
    ("path", "old", "new", "rule"),
    [
        ("config/policies/strict.yaml", "tags_are_a_set: true", "tags_are_a_set: false", "judge_pair"),
        ("scripts/edgeproof/agent/measurement.py", "\nimport ", "\nEDITED = True\nimport ", "measure_run"),
        ("config/models/digits-cnn.yaml", "sha256: a7f1", "sha256: b7f1", "copy_model"),
        ("config/models/digits-cnn.onnx", None, None, "copy_model"),
    ],
)
def test_what_is_put_back_with_an_older_date_is_noticed(workspace, path, old, new, rule):
    place = workspace.root / path
    if old is None:
        place.write_bytes(place.read_bytes() + b"another")
    else:
        place.write_text(place.read_text().replace(old, new, 1))
    os.utime(place, (LONG_AGO, LONG_AGO))
    done = workspace.snakemake("-n")
    assert re.search(rf"^{rule} +\d+$", done.stdout, re.M), done.stdout


@pytest.mark.campaign  # a quarter of a minute
def test_where_snakemake_is_told_to_look_at_dates_the_report_says_what_is_stale(workspace):
    workspace.edit("config/presets/fake-2t.yaml", "intra_op_threads: 2", "intra_op_threads: 4")
    shutil.rmtree(workspace.root / ".snakemake")
    done = workspace.snakemake("--rerun-triggers", "mtime")
    assert done.returncode != 0 and "arm.runtime.intra_op_threads: 2 → 4" in done.stdout
    report = (workspace.root / "results/evidence/fake/report.md").read_text()
    assert "intra_op_threads: 2 → 4" in report and "--forcerun results/" in report


def test_a_comment_makes_nothing_again(workspace):
    for path in (
        "scripts/edgeproof/core/broken_rules.py",
        "scripts/edgeproof/agent/timing.py",
        "config/policies/strict.yaml",
    ):
        (workspace.root / path).write_text((workspace.root / path).read_text() + "\n# a remark\n")
    assert "Nothing to be done" in workspace.snakemake("-n").stdout


@pytest.mark.parametrize("other", ["config", "runtimes", "rpi", "jetson"])
def test_the_fake_campaign_shares_nothing_but_sources(monkeypatch, other):
    monkeypatch.chdir(REPOSITORY)
    fake, real = (
        set(list_jobs(read_workflow(["config/config.yaml", f"config/{name}.yaml"]).keys)) for name in ("fake", other)
    )
    assert {path.split("/")[1] for path in fake & real} <= {"sources"}


def test_no_argument_grows_with_a_campaign():
    """Report and gate read what the campaign has from one file, the history looks for sessions itself."""
    text = (REPOSITORY / "rules/evidence.smk").read_text()
    used = {tuple(re.findall(r"\{input\.(\w+)", block)) for block in text.split("shell:")[1:]}
    assert used == {("wanted",), ()}
