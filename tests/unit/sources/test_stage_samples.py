"""Samples of a stage come from running the stage before it."""

import numpy as np
import onnx
import pytest
from edgeproof.core.errors import UserError
from edgeproof.sources import stage_samples
from edgeproof.sources.stage_samples import make_stage_samples, run_samples
from onnx import TensorProto, helper


def save_model(path, operator, domain="", output="y"):
    infos = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3])] for name in ("x", output)]
    graph = helper.make_graph([helper.make_node(operator, ["x"], [output], domain=domain)], "test", *infos)
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("com.acme", 1)]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)


def test_each_sample_is_run_by_itself_and_named_after_what_it_feeds(tmp_path):
    save_model(tmp_path / "model.onnx", "Neg")
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = run_samples(tmp_path / "model.onnx", {"inputs/x": values})
    assert list(found) == ["inputs/y"]
    np.testing.assert_array_equal(found["inputs/y"], -values)


def test_a_stage_that_joins_two_gets_what_both_make(tmp_path, monkeypatch):
    written = {}
    monkeypatch.setattr(stage_samples, "read_json", lambda path, schema: {"model": "join", "status": "ok"})
    monkeypatch.setattr(stage_samples, "find_samples_fault", lambda path: None)
    monkeypatch.setattr(stage_samples, "read_samples_kind", lambda path: None)
    monkeypatch.setattr(stage_samples, "mark_whole_inputs", lambda known, made: made)
    monkeypatch.setattr(stage_samples, "order_samples", lambda known, made: made)
    monkeypatch.setattr(stage_samples, "_check_set", lambda known, name, made: None)
    monkeypatch.setattr(
        stage_samples, "write_sample_sets", lambda known, facts, sets, paths: written.update(enumerate(sets))
    )
    before, values = [], {}
    for number, (operator, made) in enumerate((("Neg", "u"), ("Abs", "v"))):
        save_model(tmp_path / f"{made}.onnx", operator, output=made)
        before.append({"model": tmp_path / f"{made}.onnx"})
        for name, start in (("calibration", 1), ("evaluation", 50)):
            values[name] = -np.arange(start, start + 6, dtype=np.float32).reshape(2, 3)
            before[number][name] = tmp_path / f"{name}{number}.npz"
            np.savez(before[number][name], **{"inputs/x": values[name]})
    make_stage_samples("identity.json", before, {"calibration": 2, "evaluation": 1}, tmp_path)
    made = [{name: value.tolist() for name, value in written[number].items()} for number in (0, 1)]
    wanted = [-values["calibration"], -values["evaluation"][:1]]  # all samples are negative: −x and |x| are the same
    assert made == [{"inputs/u": value.tolist(), "inputs/v": value.tolist()} for value in wanted]


def test_a_model_that_onnx_runtime_lacks_an_operator_for_is_named(tmp_path):
    save_model(tmp_path / "model.onnx", "Frobnicate", "com.acme")
    with pytest.raises(UserError, match=r"model\.onnx: ONNX Runtime cannot load this stage, .*Frobnicate"):
        run_samples(tmp_path / "model.onnx", {"inputs/x": np.zeros((2, 3), np.float32)})
