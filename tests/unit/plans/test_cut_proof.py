"""The proof of a cut: equal outputs pass, others fail with a reason, files that do not belong together are refused."""

from types import SimpleNamespace

import numpy as np
import pytest
from edgeproof.core.attempts import list_attempts
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes
from edgeproof.plans import cut_proof
from edgeproof.sources.identity import _UNKNOWN

COUNT = 4


def make_part(folder, name, inputs, outputs, macs, weights=0.0, reason=None):
    """Write identity and evaluation set of a model; return its paths. `weights`: what its digest follows from."""

    def list_tensors(shapes):
        return [{"name": key, "dtype": "float32", "shape": shape} for key, shape in shapes.items()]

    identity = {
        "schema": "edgeproof.identity.v2",
        "model": name,
        "status": "failed" if reason else "ok",
        "reason": reason,
        "sha256": sha256_bytes(str(weights).encode()),
        "bytes": 1000,
        "ir_version": 8,
        "opset": {"ai.onnx": 13},
        "producer": {"name": None, "version": None},
        "inputs": list_tensors(inputs),
        "outputs": list_tensors(outputs),
        "operators": {"Conv": 1},
        "parameters": 1,
        "macs": macs,
        "macs_unknown": [],
    }
    if reason:
        identity |= _UNKNOWN
    paths = {key: str(folder / f"{name}.{key}") for key in ("model", "identity", "evaluation")}
    write_json(paths["identity"], identity, "identity")
    with open(paths["evaluation"], "wb") as file:
        np.savez(file, x=np.zeros((COUNT, 3), "float32"))
    return paths


@pytest.fixture
def prove(tmp_path, monkeypatch):
    """`prove(difference, macs)`: the document for a whole and two stages whose last output differs by a share."""

    def run(difference=0.0, macs=(6, 4), middle=(1, 2), reason=None):
        whole = make_part(tmp_path, "whole", {"x": [1, 3]}, {"y": [1, 5]}, 10)
        first = make_part(tmp_path, "first", {"x": [1, 3]}, {"t": [1, 2]}, macs[0])
        last = make_part(tmp_path, "last", {"t": list(middle)}, {"y": [1, 5]}, macs[1], difference, reason)
        expected = np.random.default_rng(0).standard_normal((COUNT, 5)).astype("float32")
        outputs = {whole["model"]: expected, last["model"]: expected * np.float32(1 + difference)}

        def infer(interpreter, arm, model, evaluation, limit):
            assert limit == COUNT
            run.inferences += 1
            return SimpleNamespace(outputs={"y": outputs[model]}, reason=None)

        monkeypatch.setattr(cut_proof, "infer_outputs", infer)
        monkeypatch.setattr(cut_proof, "pair_outputs", lambda a, b: [("y", a["y"], "y", b["y"])])
        cut_proof.prove_cut("pipe", whole, [first, last], [[], [0]], tmp_path / "cut.json")
        return read_json(tmp_path / "cut.json", "cut")

    run.inferences = 0
    return run


def test_equal_outputs_pass(prove):
    document = prove()
    assert (document["status"], document["reason"]) == ("passed", None)
    assert document["outputs"][0]["relative_l2"] == 0.0
    assert [row["model"] for row in document["stages"]] == ["first", "last"]
    assert document["macs"] == {"whole": 10, "stages": 10} and document["evaluation"]["count"] == COUNT


def test_different_outputs_fail(prove):
    document = prove(difference=1e-3)
    assert document["status"] == "failed" and document["reason"].startswith("output 'y' differs by 0.0")
    assert prove(difference=1e-6)["status"] == "passed"  # another order of the same sums


def test_a_proof_is_kept_and_used_again(prove, tmp_path):
    prove()
    before = (tmp_path / "cut.json").read_bytes()
    (tmp_path / "cut.json").unlink()
    prove()
    assert (tmp_path / "cut.json").read_bytes() == before and prove.inferences == 2  # of the whole and the last stage
    prove(difference=1e-6)
    assert prove.inferences == 4
    for attempt in list_attempts(tmp_path):
        (attempt.folder / "cut.json").write_text("edited")
    prove()
    assert prove.inferences == 6


def test_a_model_that_cannot_be_used_is_a_verdict(prove, tmp_path):
    reason = {"kind": "unreadable", "message": "not an ONNX model"}
    document = prove(reason=reason)
    assert (document["status"], document["reason"]) == ("failed", "last: not an ONNX model")
    assert document["outputs"] == [] and prove.inferences == 0 and list_attempts(tmp_path) == []


def test_other_multiplications_fail(prove):
    assert prove(macs=(6, 5))["reason"] == "the stages have 11 multiplications, the whole 10"


def test_stages_that_do_not_join_are_refused(prove):
    with pytest.raises(UserError, match="last: does not read what first makes"):
        prove(middle=(1, 3))


def test_a_model_that_does_not_run_is_a_mistake(prove, monkeypatch):
    prove()
    failed = SimpleNamespace(outputs=None, reason={"message": "no such operator"})
    monkeypatch.setattr(cut_proof, "infer_outputs", lambda *arguments, **options: failed)
    with pytest.raises(UserError, match=r"m\.onnx: does not run: no such operator"):
        cut_proof._infer({"model": "m.onnx", "identity": "", "evaluation": ""}, 1)
