"""Nothing is signed that verifying would refute, and what is packed all the same says that it would be."""

import json
from pathlib import Path

import pytest
from edgeproof.__main__ import main
from edgeproof.bundles.verifying import verify_bundle
from edgeproof.core.errors import UserError
from edgeproof.core.seals import seal

from .test_verifying import RESULT

CELL = "digits-cnn/ort-cpu/desk/fp32"
VERBS = {"runs": ["runs", "export", CELL], "evidence": ["evidence", "bundle", "trial"]}


def edit_result():
    document = json.loads(Path(RESULT).read_text())
    document["latency"]["median_ms"] *= 0.4
    Path(RESULT).write_text(json.dumps(seal(document)))


@pytest.mark.parametrize("verb", VERBS)
def test_what_would_be_refuted_is_not_signed(verb, copy_of_campaign, keys, tmp_path):
    edit_result()
    bundle = tmp_path / "bundle.zip"
    words = [*VERBS[verb], "--output", str(bundle), "--key", str(keys / "ann.key")]
    with pytest.raises(UserError, match=f"is not signed: {CELL} result: .*median_ms"):
        main(words, Path.cwd())
    assert sorted(tmp_path.glob("*.zip*")) == sorted(tmp_path.glob(".*zip*")) == []


def test_what_is_packed_without_a_key_says_what_would_be_refuted(copy_of_campaign, tmp_path, capsys):
    edit_result()
    bundle = tmp_path / "bundle.zip"
    assert main([*VERBS["runs"], "--output", str(bundle)], Path.cwd()) == 1
    assert f"{bundle}: verifying it REFUTES {CELL} result" in capsys.readouterr().out
    assert verify_bundle(bundle).kind == "run"


def test_what_holds_is_signed(copy_of_campaign, keys, tmp_path, capsys):
    words = [*VERBS["runs"], "--output", str(tmp_path / "run.zip"), "--key", str(keys / "ann.key"), "--json"]
    assert main(words, Path.cwd()) == 0
    assert json.loads(capsys.readouterr().out)["refuted"] is None


def test_a_failure_of_somebody_elses_making_is_not_signed(copy_of_campaign, keys, tmp_path):
    (record,) = [
        path for path in Path("results/runs").rglob("attempt.json") if (path.parent / "failure.json").is_file()
    ]
    document = json.loads(record.read_text())
    document["key"]["sha256"] = "0" * 64
    record.write_text(json.dumps(document))
    words = ["failed-runs", "export", record.parent.name, "--output", str(tmp_path / "x.zip")]
    with pytest.raises(UserError, match="is not signed: failed run"):
        main([*words, "--key", str(keys / "ann.key")], Path.cwd())
    assert not (tmp_path / "x.zip").exists()
