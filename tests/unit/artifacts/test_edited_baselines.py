"""A baseline keeps an artifact: what was edited of the artifact is refused, and a result is not looked at."""

import json

import pytest
from edgeproof.__main__ import main
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY, Cell, artifact_folder, run_folder

CELL = Cell("digits-cnn", "ort-cpu", "desk", "int8")
BUILT = artifact_folder("digits-cnn", "ort-cpu", "host", "int8")


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A folder with a made-up cell."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").symlink_to(REPOSITORY / "config")
    make_campaign(tmp_path, [{"precision": "int8"}])
    return tmp_path


@pytest.mark.parametrize("name", ["manifest.json", "artifact.onnx", "parity.json"])
def test_an_artifact_that_was_edited_is_no_baseline(made_up, name):
    path = made_up / BUILT / name
    if name.endswith(".json"):
        document = json.loads(path.read_text())
        document["status"] = "failed" if name == "parity.json" else document["status"]
        document.setdefault("artifact", {})["sha256"] = "0" * 64
        path.write_text(json.dumps(document))
    else:
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(UserError):
        main(["baseline", "set", str(CELL)], made_up)
    assert not (made_up / "results/baselines").exists()


def test_a_result_is_not_looked_at(made_up):
    (made_up / run_folder(CELL) / "result.json").write_text("{}")
    assert main(["baseline", "set", str(CELL)], made_up) == 0
    kept = {path.name for path in (made_up / "results/baselines/digits-cnn").rglob("*") if path.is_file()}
    assert "manifest.json" in kept and "result.json" not in kept
