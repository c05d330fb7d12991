import itertools

import pytest
from edgeproof.core.documents import write_json
from edgeproof.core.errors import UserError
from edgeproof.plans.hand_overs import fit_links
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario import assembling
from edgeproof.plans.scenario.loading import load_scenario, parse_scenario

DIGEST = "0" * 64
RESULT = {
    "status": "ok",
    "reason": None,
    "provenance": "measured",
    "artifact_bytes": 2_000_000,
    "latency": {"median_ms": 2.0, "interval_low_ms": 1.9, "interval_high_ms": 2.1, "confidence": 0.95},
    "processes": [
        {"median_ms": value, "memory_baseline_bytes": 1_000_000, "memory_peak_bytes": 9_000_000}
        for value in (1.9, 2.0, 2.1)
    ],
}
DARK = {"value_j": None, "reason": "no power sampler is configured for this device"}
RESULT["energy"] = DARK
MEASURED = {
    **RESULT,
    "energy": {
        "value_j": 0.05,
        "low_j": 0.04,
        "high_j": 0.06,
        "budget": {"total": 0.1},
        "boundary": "module",
        "sampler": "hwmon",
        "reason": None,
    },
    "power": {"rails": ["VDD_IN"]},
    "sessions": [{"attempt": "results/runs/a/attempts/0001-0123abcd"}],
}
PASSED = {"status": "passed", "reason": None}
IDENTITY = {
    "model": "p-01-a",
    "sha256": DIGEST,
    "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 3, 10, 10]}],
    "outputs": [{"name": "y", "dtype": "float16", "shape": [1, 500]}, {"name": "z", "dtype": "int64", "shape": [1]}],
}


@pytest.fixture
def describe(monkeypatch):
    """`describe(result, parity, …)`: the stage entry of one cell per pair."""

    def make(*pairs):
        found = {}
        for number, (result, parity) in enumerate(pairs):
            found[f"r{number}"], found[f"p{number}"] = result, parity
        monkeypatch.setattr(assembling, "read_result", found.get)
        monkeypatch.setattr(assembling, "read_parity_record", found.get)
        monkeypatch.setattr(assembling, "sha256_file", lambda path: DIGEST)
        cells = [
            {"stage": 0, "executor": f"e{n}", "precision": "fp32", "result": f"r{n}", "parity": f"p{n}"}
            for n in range(len(pairs))
        ]
        return assembling.describe_stage("a", IDENTITY, cells, "pipe")

    return make


def test_every_number_names_its_result(describe):
    stage = describe((RESULT, PASSED))
    variant = stage["profiles"]["e0"][0]
    assert stage["output_mb"] == pytest.approx(0.001008)
    assert variant["latency_ms"]["process_medians"] == [1.9, 2.0, 2.1]
    assert variant["latency_ms"]["interval"] == [1.9, 2.1]
    assert variant["energy_mj"] is None and "no power sampler is configured" in stage["description"]
    assert variant["weights_mb"]["value"] == 2.0 and variant["activations_mb"]["value"] == 6.0
    for key in ("latency_ms", "weights_mb", "activations_mb"):
        assert (variant[key]["provenance"], variant[key]["result"], variant[key]["digest"]) == (
            "measured",
            "r0",
            DIGEST,
        )


def test_measured_joules_become_the_energy_of_a_stage_with_budget_and_key(describe):
    stage = describe((MEASURED, PASSED), (RESULT, PASSED))
    energy = stage["profiles"]["e0"][0]["energy_mj"]
    assert energy["value"] == pytest.approx(50) and energy["interval"] == pytest.approx([36, 66])
    assert (energy["provenance"], energy["result"], energy["digest"]) == ("measured", "r0", DIGEST)
    assert "module (VDD_IN)" in energy["note"] and "error budget 10.0%" in energy["note"]
    assert "key of the attempts 0123abcd" in energy["note"]
    assert stage["profiles"]["e1"][0]["energy_mj"] is None and "energy_reason" not in stage["profiles"]["e1"][0]


def test_what_failed_or_computes_something_else_is_left_out_with_its_reason(describe):
    failed = {**RESULT, "status": "failed", "latency": None, "reason": {"kind": "crashed", "message": "it crashed"}}
    wrong = {"status": "failed", "reason": {"kind": "threshold_missed", "message": "cosine is 0.1"}}
    other = {**RESULT, "status": "failed", "reason": {"kind": "wrong_output", "message": "the output differs"}}
    stage = describe((RESULT, PASSED), (failed, PASSED), (RESULT, wrong), (other, PASSED))
    assert "e3 fp32: failed: the output differs" in stage["description"]  # though it has a latency
    assert set(stage["profiles"]) == {"e0"}
    assert "e1 fp32: failed: it crashed" in stage["description"]
    assert "e2 fp32: parity failed: cosine is 0.1" in stage["description"]
    with pytest.raises(UserError, match="stage 'a' has no executor that can run it: e0 fp32: failed: it crashed"):
        describe((failed, PASSED))


def test_a_throttled_run_is_used_and_says_so(describe):
    stage = describe(({**RESULT, "status": "throttled"}, PASSED))
    assert stage["profiles"]["e0"][0]["latency_ms"]["note"] == "the run was throttled"


def test_declared_links_take_the_place_of_measured_ones(tmp_path):
    rows = [
        {"source": a, "target": b, "size_mb": size, "median_ns": int(1e5 * (1 + size))}
        for a, b in (("host", "e"), ("e", "host"))
        for size in (0.1, 1.0)
    ]
    path = tmp_path / "links.json"
    write_json(path, links_document(fit_links([rows, rows])), "links")
    wanted = {"declare": [{"source": "e", "target": "host", "setup_ms": 7, "latency_ms_per_mb": 0.5}]}
    measured, declared = assembling.list_links(wanted, path)
    assert (measured["source"], measured["target"], measured["bidirectional"]) == ("host", "e", False)
    assert measured["setup_ms"]["provenance"] == "measured" and len(measured["setup_ms"]["process_medians"]) == 2
    assert declared["setup_ms"] == {"value": 7, "provenance": "declared"}


def test_stages_that_branch_become_edges(describe, monkeypatch, tmp_path):
    """`a` feeds `b` and `c`, which `d` reads; all four on one executor."""
    stage = describe((RESULT, PASSED))
    monkeypatch.setattr(assembling, "describe_stage", lambda name, identity, cells, pipeline: {**stage, "name": name})
    monkeypatch.setattr(assembling, "read_json", lambda path, schema: IDENTITY)
    document = {
        "stages": [{"name": name} for name in "abcd"],
        "reads": [[], [0], [0], [1, 2]],
        "executors": [{"name": "e0", "device": "local", "preset": "p", "memory_mb": 100}],
        "links": {"declare": []},
        "execution": "scheduled",
        "contention": [{"slowed": "e0", "by": "host", "factor": 1.5}],
    }
    links = [{"source": "e0", "target": "host", "setup_ms": 0.1, "latency_ms_per_mb": 0.1}]
    monkeypatch.setattr(assembling, "list_links", lambda links_, path: links)
    path = tmp_path / "scenario.json"
    assembling.write_scenario("pipe", document, ["identity.json"] * 4, [], None, None, path)
    scenario = load_scenario(path)
    assert scenario.execution == "scheduled"
    assert [(row.slowed, row.by, row.factor) for row in scenario.contention] == [(0, 1, 1.5)]
    made = {(tensor.producer, tensor.consumers) for tensor in scenario.tensors}
    assert made >= {(0, (1, 2)), (1, (3,)), (2, (3,))}


def test_a_plan_of_measured_joules_adds_them_up(describe):
    """Two stages of 50 mJ on `e0` and 30 mJ on `e1`; hand-overs have a declared energy."""
    frugal = {**MEASURED, "energy": {**MEASURED["energy"], "value_j": 0.03, "low_j": 0.03, "high_j": 0.03}}
    latency = {**MEASURED["latency"], "median_ms": 9.0, "interval_low_ms": 8.9, "interval_high_ms": 9.1}
    processes = [{**process, "median_ms": 9.0} for process in MEASURED["processes"]]
    slower = {**frugal, "latency": latency, "processes": processes}
    stages = [{**describe((MEASURED, PASSED), (slower, PASSED)), "name": name} for name in ("a", "b")]
    declare = [
        {"source": a, "target": b, "setup_ms": 0.1, "latency_ms_per_mb": 0.1}
        for a, b in itertools.permutations(("e0", "e1", "host"), 2)
    ]
    links = assembling.list_links({"declare": declare, "energy": {"setup_mj": 1.0, "energy_mj_per_mb": 0.0}}, None)
    document = {
        "schema": "edgeproof.scenario.v2",
        "name": "pipe",
        "devices": [{"name": name, "memory_mb": 100} for name in ("e0", "e1", "host")],
        "links": links,
        "stages": stages,
        "ingest": {"device": "host", "input_mb": 0.1},
        "egress": {"device": "host"},
        "constraints": {},
    }
    scenario = parse_scenario(document, "scenario.json")
    assert scenario.energy_missing is None
    joules = {}
    for goal in ("min-energy", "min-latency"):
        made = build_plan_document(plan_scenario(scenario, Request(goal=goal, draws=0)))
        joules[goal] = made["plans"][0]["total_energy_mj"]
    assert joules == pytest.approx({"min-energy": 2 * 30 + 2 * 1.0, "min-latency": 2 * 50 + 2 * 1.0})


def links_document(links):
    return {
        "schema": "edgeproof.links.v2",
        "pipeline": "pipe",
        "provenance": "measured",
        "device": "local",
        "method": "m",
        "arm": {"executors": {}, "sizes_mb": [0.1, 1.0], "samples": 20, "simulated": False},
        "processes": 2,
        "agent_sha256": DIGEST,
        "links": links,
        "environment": None,
        "drift": None,
        "attempt": "attempts/0001",
    }


def test_symbolic_shapes_have_no_size():
    with pytest.raises(UserError, match="a stage needs fixed shapes"):
        assembling.measure_tensors([{"name": "x", "dtype": "float32", "shape": ["n", 3]}])
