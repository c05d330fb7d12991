"""A made-up comparability room: results, artifacts and comparisons below the current folder, with a copy of config/."""

import json
from pathlib import Path

import pytest
from edgeproof.bench.made_up_campaigns import CAMPAIGN, write_comparison
from edgeproof.bench.made_up_cells import write_cell
from edgeproof.comparability.deciding import decide_deployment
from edgeproof.comparability.regression import judge_regression
from edgeproof.comparability.reporting import build_report
from edgeproof.comparability.side_files import folder_of_artifact, folder_of_run
from edgeproof.core.documents import write_json
from edgeproof.core.layout import comparison_folder
from edgeproof.core.seals import seal
from edgeproof.core.yaml_files import read_yaml

from .measurers import measurer, state, stranger  # noqa: F401 (fixtures)

REPOSITORY = Path(__file__).resolve().parents[3]
LEFT, RIGHT = ("digits-cnn", "ort-cpu", "desk", "fp32"), ("digits-cnn", "ort-cpu", "desk", "int8")


class Room:
    """One comparison `pair` of two cells, and what hangs on it."""

    def __init__(self, root):
        self.root, self.folder = Path(root), Path(comparison_folder(CAMPAIGN, "pair"))

    def make(self, left=None, right=None, same_cell=False, **comparison):
        """Write both cells (options of `write_cell`) and the comparison (options of `write_comparison`)."""
        write_cell(**{"precision": "fp32", **(left or {})})
        options = {"precision": "int8", **(right or {})}
        if not same_cell:
            write_cell(**options)
        other = LEFT if same_cell else (options.get("model", "digits-cnn"), "ort-cpu", options.get("device", "desk"),
                                        options["precision"])  # fmt: skip
        write_comparison(**{"name": "pair", "left": LEFT, "right": other, "varies": ["precision"], **comparison})
        return self

    def judge(self, policy="strict"):
        """Write and return `regression.json`."""
        report = self.read("report.json")
        results = {side: f"{folder_of_run(report[side])}/result.json" for side in ("left", "right")}
        parities = {side: f"{folder_of_artifact(report[side])}/parity.json" for side in ("left", "right")}
        document = read_yaml(f"config/regressions/{policy}.yaml", "regression-policy")
        named = document["comparability"]
        comparability = read_yaml(f"config/policies/{named}.yaml", "policy") if named else None
        output = self.folder / "regression.json"
        judge_regression(self.folder / "report.json", results, parities, policy, document, comparability, output)
        return self.read("regression.json")

    def decide(self, criteria="interactive"):
        """Write and return `decision.json`."""
        cell = self.read("report.json")["right"]
        paths = (f"{folder_of_run(cell)}/result.json", f"{folder_of_artifact(cell)}/parity.json")
        beside = (self.folder / "report.json", self.folder / "regression.json")
        decide_deployment(*beside, *paths, f"config/criteria/{criteria}.yaml", self.folder / "decision.json")
        return self.read("decision.json")

    def read(self, name):
        return json.loads((self.folder / name).read_text())

    def edit(self, path, change):
        """Change a JSON file by hand: `change` gets the document."""
        path = Path(path)
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    def edit_parity(self, change, precision="int8", model="digits-cnn"):
        """Change a parity document as if it had been made so, and report again."""

        def make(document):
            change(document)
            document.update(seal(document))

        self.edit(f"results/artifacts/{model}/ort-cpu/host/{precision}/parity.json", make)
        beside = [self.folder / name for name in ("verdict.json", "pairs.csv", "pairs.json")]
        write_json(self.folder / "report.json", build_report(*beside), "comparison")


@pytest.fixture
def room(tmp_path, monkeypatch):
    """An empty Room whose folder is the current one."""
    (tmp_path / "config").mkdir()
    for name in ("policies", "regressions", "criteria"):
        folder = tmp_path / "config" / name
        folder.mkdir()
        for path in (REPOSITORY / "config" / name).glob("*.yaml"):
            (folder / path.name).write_text(path.read_text())
    monkeypatch.chdir(tmp_path)
    return Room(tmp_path)
