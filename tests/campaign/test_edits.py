"""Three hundred single edits, drawn by a seed, of a real campaign: all are found, and the file is named."""

import contextlib
from pathlib import Path

import pytest

from ..single_edits import NO_EVIDENCE, draw_edits, find_edits, list_kinds, read_evidence
from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.campaign

CAMPAIGN = """\
campaign: edits
protocol: quick
policy: strict
devices: [local]
matrices:
  - {models: [digits-cnn], presets: [ort-cpu], precisions: [fp32, int8]}
calibration: {pairs: 4, sessions: 1, cells: [{model: digits-cnn, preset: ort-cpu, precision: fp32}]}
comparisons:
  - name: digits-fp32-vs-int8
    left: {model: digits-cnn, preset: ort-cpu, precision: fp32}
    right: {precision: int8}
    varies: [precision]
pipelines: [fake-three]
gate: {tolerate: [throttled]}
"""
EDITS, SEED = 300, 20_260


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The results of a real campaign, and its folder as the current one."""
    workspace = copy_repository(tmp_path_factory.mktemp("edits") / "edgeproof")
    workspace.write("config/edits.yaml", CAMPAIGN)
    done = workspace.snakemake("--replace-workflow-config", config="config/edits.yaml")
    assert done.returncode == 0, done.stdout
    with contextlib.chdir(workspace.root):
        yield Path("results")


def test_a_campaign_that_nobody_edited_is_whole(results, tmp_path):
    assert dict(read_evidence("edits", tmp_path)) == {"gate": "", "report": "", "validate": ""}


def test_every_single_edit_is_found_and_named(results, tmp_path):
    edits = draw_edits(results, EDITS, SEED)
    found = find_edits("edits", edits, tmp_path)
    assert len(found) == EDITS
    assert [f"{edit.path}: {edit.where}" for edit, reader in found.items() if reader is None] == []


def test_every_file_is_evidence_or_is_excluded_with_a_reason(results):
    kinds = list_kinds(results)
    assert {kind.split("/")[0] for kind in kinds} == {
        *("artifacts", "calibration", "comparability", "evidence", "keys", "plans", "runs", "sources")
    }
    assert all(reason for _, reason in NO_EVIDENCE)
