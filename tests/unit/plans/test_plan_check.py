import numpy as np
import pytest
from edgeproof.core.documents import write_json, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.seals import seal
from edgeproof.plans import plan_check
from edgeproof.plans.placed_arms import choose_cells, fill_pipeline, place_checked_stages
from edgeproof.plans.plan_check import PlanRun, compare_latency, read_check, summarise_period, summarise_samples
from edgeproof.runs.raw_samples import write_samples
from edgeproof.sources.identity import _UNKNOWN


def identity(name, inputs, outputs):
    def side(items):
        return [{"name": key, "dtype": "float32", "shape": shape} for key, shape in items.items()]

    return {"model": name, "inputs": side(inputs), "outputs": side(outputs)}


IDENTITIES = [
    identity("one", {"x": [1, 8]}, {"t": [1, 4]}),
    identity("two", {"t": [1, 4]}, {"u": [1, 2]}),
    identity("three", {"u": [1, 2]}, {"y": [1, 3]}),
]


CHAIN = [[], [0], [1]]


def cell(stage, name, executor, **arm):
    arm = {"backend": "fake", "precision": "fp32", "runtime": {}} | arm
    return {
        "stage": stage,
        "name": name,
        "executor": executor,
        "precision": "fp32",
        "arm": arm,
        "artifact": f"{name}-{executor}.json",
        "reference": None,
    }


CELLS = [
    cell(number, name, executor, **({"interpreter": "other/python"} if executor == "right" else {}))
    for number, name in enumerate("abc")
    for executor in ("left", "right")
]


def plan(*executors):
    rows = [{"stage_name": n, "device_name": e, "variant": "fp32"} for n, e in zip("abc", executors, strict=True)]
    return {"assignments": rows}


def test_only_what_crosses_is_shared():
    wanted = plan("left", "left", "right")
    arm = place_checked_stages(wanted, choose_cells(wanted, CELLS), IDENTITIES, CHAIN)
    assert set(arm["tensors"]) == {"0/0", "2/0", "3/0"}  # from the caller, to the right, back to the caller
    assert arm["tensors"]["2/0"] == {"dtype": "float32", "shape": [1, 2]}
    assert [step["executor"] for step in arm["steps"]] == ["left", "left", "right"]
    assert arm["steps"][1]["inputs"] == [["t", "1/0"]] and arm["steps"][1]["outputs"] == [["u", "2/0"]]
    assert arm["executors"] == {"left": {"interpreter": None}, "right": {"interpreter": "other/python"}}
    assert arm["inputs"] == [["x", "0/0"]] and arm["outputs"] == [["y", "3/0"]]
    assert [step["arm"]["artifact"] for step in arm["steps"]] == ["a-left.json", "b-left.json", "c-right.json"]


def test_a_plan_of_another_pipeline_is_refused():
    wanted = plan("left", "left", "middle")
    with pytest.raises(UserError, match="c middle fp32, which the pipeline does not have"):
        choose_cells(wanted, CELLS)


def test_stages_that_do_not_join_are_named():
    wanted = plan("left", "left", "left")
    parts = [IDENTITIES[0], identity("two", {"t": [1, 5]}, {"u": [1, 2]}), IDENTITIES[2]]
    with pytest.raises(UserError, match=r"two reads .* but one makes"):
        place_checked_stages(wanted, choose_cells(wanted, CELLS), parts, CHAIN)


def test_error_is_relative_to_the_prediction():
    latency = {"median_ms": 11.0, "interval_low_ms": 10.0, "interval_high_ms": 12.0, "confidence": 0.95}
    error = compare_latency(10.0, latency)
    assert (error["relative"], error["interval_low"], error["interval_high"]) == pytest.approx((0.1, 0.0, 0.2))
    single = compare_latency(10.0, {**latency, "interval_low_ms": None, "interval_high_ms": None})
    assert single["interval_low"] is None


@pytest.fixture
def checked(tmp_path):
    """The path of a check that follows from its samples, and its document."""
    samples = [np.array([10_000_000, 11_000_000, 12_000_000] * 20) + number for number in range(3)]
    write_samples(tmp_path / "samples.csv", [samples])
    measured = summarise_samples(samples, [1, 1, 1], 1)
    document = {
        "schema": "edgeproof.plan-check.v3",
        "pipeline": "p",
        "goal": "min-latency",
        "status": "ok",
        "reason": None,
        "provenance": "measured",
        "plan": {"file": "plan.json", "digest": "0" * 64},
        "scenario_digest": "0" * 64,
        "protocol": {},
        "predicted": {"latency_ms": 10.0, "quantiles_ms": None, "period_ms": None},
        "measured": measured,
        "error": compare_latency(10.0, measured),
        "period": None,
        "stages": [],
        "returning": None,
        "output_check": None,
        "environment": None,
        "agent_sha256": "0" * 64,
        "samples_sha256": sha256_file(tmp_path / "samples.csv"),
        "attempt": None,
    }
    write_sealed(tmp_path / "check.json", document, "plan-check")
    return tmp_path / "check.json", seal(document)


def test_a_check_follows_from_its_samples(checked):
    path, document = checked
    assert read_check(path) == document
    assert document["error"]["relative"] == pytest.approx(0.1, rel=1e-6)


def test_a_prettier_error_and_other_samples_are_refused(checked):
    path, document = checked
    write_json(path, {**document, "error": {**document["error"], "relative": 0.01}}, "plan-check")
    with pytest.raises(UserError, match="error"):
        read_check(path)
    flattered = {"predicted": {"latency_ms": 11.0, "quantiles_ms": None, "period_ms": None}}
    flattered["error"] = compare_latency(11.0, document["measured"])
    write_json(path, {**document, **flattered}, "plan-check")
    with pytest.raises(UserError, match="document_sha256 does not match the rest of it; it was edited, run the plan"):
        read_check(path)
    write_json(path, document, "plan-check")
    write_samples(path.with_name("samples.csv"), [[np.array([1, 2, 3])]])
    with pytest.raises(UserError, match="not the samples measured"):
        read_check(path)


def test_a_stage_that_cannot_be_used_is_one_line(tmp_path):
    known = {
        **_UNKNOWN,
        "schema": "edgeproof.identity.v2",
        "model": "two",
        "status": "failed",
        "reason": {"kind": "unreadable", "message": "not an ONNX model"},
        "sha256": "0" * 64,
        "bytes": 10,
    }
    write_json(tmp_path / "identity.json", known, "identity")
    run = PlanRun("plan.json", [str(tmp_path / "identity.json")], CELLS, CHAIN, "", {}, {}, "python")
    with pytest.raises(UserError, match="two cannot be used: not an ONNX model; plan again"):
        plan_check._read_stages(run)


def test_a_branch_is_shared_where_another_executor_reads_it():
    """a on the left feeds b on the right and c on the left: only b has its input in shared memory, and c its second."""
    parts = [
        IDENTITIES[0],
        identity("two", {"t": [1, 4]}, {"u": [1, 2]}),
        identity("three", {"t": [1, 4], "u": [1, 2]}, {"y": [1, 3]}),
    ]
    wanted = plan("left", "right", "left")
    for row, start in zip(wanted["assignments"], (0, 1, 2), strict=True):
        row |= {"start_ms": start, "end_ms": start + 1}
    arm = place_checked_stages(wanted, choose_cells(wanted, CELLS), parts, [[], [0], [0, 1]], True)
    assert arm["steps"][2]["inputs"] == [["t", "1/0"], ["u", "2/0"]]
    assert set(arm["tensors"]) == {"0/0", "1/0", "2/0", "3/0"}
    assert arm["overlap"] == {"depth": 1, "in_order": True, "taken": ["3/0"]}
    full = fill_pipeline(arm, [[], [0], [0, 1]], 6.0)
    assert full["overlap"] == {"depth": 3, "in_order": False, "taken": ["3/0"]}  # t passes by stage b
    assert (full["verb"], full["full_seconds"]) == ("flow", 6.0)


def test_a_scheduled_plan_has_its_steps_in_the_order_of_their_start():
    parts = [
        IDENTITIES[0],
        identity("two", {"t": [1, 4]}, {"u": [1, 2]}),
        identity("three", {"t": [1, 4]}, {"y": [1, 3]}),
    ]
    wanted = plan("left", "left", "left")
    for row, start in zip(wanted["assignments"], (0, 2, 1), strict=True):
        row |= {"start_ms": start, "end_ms": start + 1}
    arm = place_checked_stages(wanted, choose_cells(wanted, CELLS), parts, [[], [0], [0]], True)
    assert [step["name"] for step in arm["steps"]] == ["a", "c", "b"]


def test_a_period_is_the_mean_time_between_results():
    """Three processes of 2, 2.1 and 2.2 ms against 2 ms: +5 %; t(0.975, 2) = 4.3027, so ± 0.2484 ms around the mean."""
    gaps = [np.full(10, ns) for ns in (2_000_000, 2_100_000, 2_200_000)]
    found = summarise_period(2.0, gaps, [np.array([5_000_000, 7_000_000, 6_000_000])] * 3)
    assert found["measured"]["value"] == 2.1 and found["error"]["relative"] == pytest.approx(0.05)
    assert found["measured"]["interval"] == pytest.approx([2.1 - 0.2484, 2.1 + 0.2484], abs=1e-4)
    assert found["error"]["interval_high"] == pytest.approx(2.3484 / 2 - 1, abs=1e-4)
    assert (found["response"]["median_ms"]["value"], found["response"]["largest_ms"]) == (6.0, 7.0)
    assert (found["results"], found["seconds"]) == (30, pytest.approx(0.063))
