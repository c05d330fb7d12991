"""The staleness matrix against Snakemake: what a row says would run is what `snakemake -n` lists."""

import copy
import json
import random
import re

import pytest
from edgeproof.bench.staleness_matrix import list_changes, read_documents
from edgeproof.core.catalogues import CATALOGUES

from .conftest import REPOSITORY, copy_repository

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]
CAMPAIGN = REPOSITORY / "tests/data/staleness_campaign.yaml"
ROWS = json.loads((REPOSITORY / "tests/data/staleness_matrix.json").read_text())
SEED, DRAWN = 20, 40
# The report reads its own code as files, and all rows that change anything run it: it says nothing about a row.
EVIDENCE = {"all", "phases", "write_report", "check_gate"}


def draw_rows():
    """Return rows drawn by the seed, half of them of code: without a draw of its own code would crowd out all else."""
    draw = random.Random(SEED)
    code = sorted(name for name in ROWS if name.startswith("scripts/") and name.endswith(".py"))
    keys = sorted(
        name for name, row in ROWS.items() if isinstance(row, dict) and name not in code and ".j2" not in name
    )
    telling = [name for name in code if ROWS[name]["runs"]]
    return draw.sample(keys, DRAWN - 12) + draw.sample(telling, 10) + draw.sample(sorted(set(code) - set(telling)), 2)


class Filled:
    """A copy of the repository in which the campaign of the matrix is made: every file is there, and Snakemake has
    noted what it was made from."""

    def __init__(self, folder):
        self.workspace = copy_repository(folder)
        documents = read_documents(CAMPAIGN)
        self.changes = {change.name: change for change in list_changes(documents)}
        self.write(documents)
        listed = self.snakemake("--summary")
        for line in listed.splitlines():
            if line.startswith("results/"):
                self.workspace.write(line.split("\t")[0], "")
        self.snakemake("--touch", "--forceall")

    def snakemake(self, *options):
        asked = ("all", "phases", "--replace-workflow-config")
        done = self.workspace.snakemake(*options, *asked, config="config/staleness.yaml")
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    def write(self, documents):
        """Write the documents that are not as they are here."""
        for kind, named in documents.items():
            for name, document in named.items():
                folder = f"config/{CATALOGUES[kind]}" if kind in CATALOGUES else "config"
                if kind != "campaign" or name == "staleness":
                    self.workspace.write(f"{folder}/{name}.yaml", json.dumps(document))

    def list_runs(self):
        """Return {rule: jobs} that `snakemake -n` lists."""
        listing = re.search(r"^Job stats:\n.*?\n-.*?\n(.*?)^total ", self.snakemake("-n"), re.M | re.S)
        rows = [line.split() for line in listing[1].splitlines()] if listing else []
        return {rule: int(count) for rule, count in rows if rule not in EVIDENCE}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        return Filled(tmp_path_factory.mktemp("filled") / "edgeproof")


def test_nothing_runs_when_nothing_changed(filled):
    assert filled.list_runs() == {}


@pytest.mark.parametrize("name", draw_rows())
def test_what_a_row_says_would_run_is_what_snakemake_lists(filled, name):
    said = {rule: count for rule, count in ROWS[name]["runs"].items() if rule not in EVIDENCE}
    change = filled.changes.get(name)
    before = read_documents(CAMPAIGN) if change else {}
    text = None if change else (filled.workspace.root / name).read_text()
    try:
        if change:
            filled.write(copy.deepcopy(change.documents))
        else:
            filled.workspace.write(name, text + "\nEDITED = True\n")
        assert filled.list_runs() == said
    finally:
        filled.write(before)
        if text is not None:
            filled.workspace.write(name, text)
