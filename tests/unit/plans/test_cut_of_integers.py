"""A cut whose output is of classes is the whole when the classes are equal."""

import json

import numpy as np
import pytest
from edgeproof.core.documents import read_json
from edgeproof.plans import cut_proof
from edgeproof.plans.cut_proof import prove_cut


@pytest.mark.parametrize(("composed", "status"), [([[7, 900]], "passed"), ([[7, 901]], "failed")])
def test_classes_are_equal_or_not(tmp_path, monkeypatch, composed, status):
    answers = iter([{"classes": np.array([[7, 900]])}, {"classes": np.array(composed)}])
    monkeypatch.setattr(cut_proof, "_infer", lambda part, count: next(answers))
    row = {
        "model": "m",
        "sha256": "0" * 64,
        "inputs": ["x"],
        "outputs": ["y"],
        "macs": 4,
        "evaluation_sha256": "0" * 64,
    }
    monkeypatch.setattr(cut_proof, "_check_joints", lambda stages, reads: 1)
    monkeypatch.setattr(cut_proof, "_describe_stage", lambda stage: row)
    monkeypatch.setattr(cut_proof, "_find_fault", lambda *parts: None)
    monkeypatch.setattr(cut_proof, "read_json", lambda path, schema: {"model": "m", "sha256": "0" * 64, "macs": 4})
    (tmp_path / "evaluation.npz").write_bytes(b"samples")
    whole = {"identity": "identity.json", "evaluation": tmp_path / "evaluation.npz"}
    prove_cut("pipe", whole, [whole], [[]], tmp_path / "cut.json")
    document = read_json(tmp_path / "cut.json", "cut")
    assert document["status"] == status
    assert document["outputs"][0]["equal_share"] == np.equal(composed, [[7, 900]]).mean()
    assert (document["reason"] is None) == (status == "passed"), json.dumps(document["reason"])
