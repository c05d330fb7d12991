"""From a pipeline to a plan and its check, on simulated executors; what a change makes stale."""

import hashlib
import json
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from .conftest import copy_repository

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]

CONFIG = "config/fake-pipeline.yaml"
PIPELINE = "config/pipelines/fake-three.yaml"


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """The fake pipeline, measured and planned once. Tests change a copy of it, never this."""
    workspace = copy_repository(tmp_path_factory.mktemp("planned") / "edgeproof")
    # A lock of its own: simulated times need not wait for whoever measures on this machine.
    workspace.edit("config/devices/local.yaml", "timeout_s: 600", "timeout_s: 600\nlock: device.lock")
    done = workspace.snakemake("plans", config=CONFIG)
    assert done.returncode == 0, done.stdout
    return workspace


@pytest.fixture
def workspace(planned, tmp_path):
    return planned.copy(tmp_path / "edgeproof")


def read(workspace, name):
    return json.loads((workspace.root / "results/plans/fake-three" / name).read_text())


def test_from_a_cut_model_to_a_checked_plan(planned):
    cut = read(planned, "cut.json")
    assert cut["status"] == "passed" and len(cut["stages"]) == 3
    assert max(row["relative_l2"] for row in cut["outputs"]) <= cut["limit_relative_l2"]
    scenario = read(planned, "scenario.json")
    numbers = [variant["latency_ms"] for s in scenario["stages"] for p in s["profiles"].values() for variant in p]
    assert len(numbers) == 9
    for number in numbers:
        assert (planned.root / number["result"]).is_file() and len(number["process_medians"]) == 5
    provenances = [link["setup_ms"]["provenance"] for link in scenario["links"]]
    assert sorted(provenances) == ["declared"] + ["simulated"] * 5
    for goal in ("min-latency", "throughput"):
        plan, check = read(planned, f"{goal}/plan.json"), read(planned, f"{goal}/check.json")
        assert plan["status"] == "optimal" and plan["robustness"]
        assert plan["scenario"]["digest"] == check["scenario_digest"]
        assert (check["status"], check["provenance"]) == ("ok", "simulated")
        assert check["predicted"]["latency_ms"] == plan["plans"][0]["total_latency_ms"]
        if goal == "throughput":
            period = check["period"]
            assert period["predicted_ms"] == plan["plans"][0]["period_ms"] == check["predicted"]["period_ms"]
            assert abs(period["error"]["relative"]) < 0.1 and period["results"] >= 100
        else:
            assert check["period"] is None
        page = (planned.root / f"results/plans/fake-three/{goal}/plan.html").read_text()
        assert "Run as placed" in page and "The prediction error is" in page


def save_branches(path):
    """Save y = |relu(A x) + relu(B x)|: two branches that one stage joins."""
    draw = np.random.default_rng(0).standard_normal
    stored = [numpy_helper.from_array(draw((8, 8)).astype("float32"), name) for name in "AB"]
    nodes = [
        helper.make_node("MatMul", ["x", "A"], ["a"]),
        helper.make_node("Relu", ["a"], ["u"]),
        helper.make_node("MatMul", ["x", "B"], ["b"]),
        helper.make_node("Relu", ["b"], ["v"]),
        helper.make_node("Add", ["u", "v"], ["s"]),
        helper.make_node("Abs", ["s"], ["y"]),
    ]
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8])] for name in "xy"]
    model = helper.make_model(
        helper.make_graph(nodes, "branches", *ends, stored), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.save(model, path)


BRANCHES = """description: Two branches and where they meet
model: branches
stages:
  - {name: one, until: u}
  - {name: two, inputs: [], until: v}
  - {name: join, inputs: [one, two]}
samples: {evaluation: 8}
executors:
  - {name: left, device: local, preset: fake, precisions: [fp32], memory_mb: 512}
  - {name: right, device: local, preset: fake, precisions: [fp32], memory_mb: 512}
links:
  measure: {sizes_mb: [0.001, 0.01], samples: 20}
execution: scheduled
goals: [min-latency]
"""


def test_branches_are_planned_side_by_side_and_run_as_planned(workspace):
    model = workspace.root / "config/models/branches.onnx"
    save_branches(model)
    model.with_suffix(".yaml").write_text(
        "description: two branches\n"
        f"source: {{kind: file, path: config/models/branches.onnx,"
        f" sha256: {hashlib.sha256(model.read_bytes()).hexdigest()}}}\n"
        "task: none\nsamples: {kind: random, seed: 0, calibration: 200, evaluation: 8}\n"
    )
    (workspace.root / "config/pipelines/branches.yaml").write_text(BRANCHES)
    workspace.edit(CONFIG, "pipelines: [fake-three]", "pipelines: [branches]")
    done = workspace.snakemake("plans", config=CONFIG)
    assert done.returncode == 0, done.stdout
    folder = workspace.root / "results/plans/branches"
    cut, scenario, plan, check = (
        json.loads((folder / name).read_text())
        for name in ("cut.json", "scenario.json", "min-latency/plan.json", "min-latency/check.json")
    )
    assert (cut["status"], cut["reason"]) == ("passed", None)
    assert scenario["execution"] == "scheduled"
    assert scenario["edges"] == [{"source": name, "target": "join"} for name in ("one", "two")]
    one, two, join = plan["plans"][0]["assignments"]
    assert plan["status"] == "optimal"
    assert one["device_name"] != two["device_name"]  # each alone takes longer than a crossing
    assert max(one["start_ms"], two["start_ms"]) < min(one["end_ms"], two["end_ms"]) <= join["start_ms"]
    assert (check["status"], check["provenance"]) == ("ok", "simulated")
    start = {row["name"]: row["measured_start_ms"] for row in check["stages"]}
    end = {row["name"]: start[row["name"]] + row["measured_execution_ms"] for row in check["stages"]}
    assert max(start["one"], start["two"]) < min(end["one"], end["two"])
    assert start["join"] > max(end["one"], end["two"])
    assert abs(check["error"]["relative"]) < 0.1
    page = (folder / "min-latency/plan.html").read_text()
    assert "Run as placed" in page and "join" in page


def test_second_run_does_nothing(workspace):
    assert workspace.remade_by("plans", config=CONFIG) == set()


@pytest.mark.campaign  # half a minute
def test_plans_of_which_only_the_attempts_are_left_measure_nothing(workspace):
    """As in a copied folder: links, proof and checks come back byte for byte, and so does all below them."""
    results = workspace.root / "results"
    documents = {
        path: path.read_bytes() for path in (results / "plans").rglob("*.json") if "attempts" not in path.parts
    }
    attempts = workspace.list_attempts()
    rooms = {folder.split("/attempts/")[0] for folder in attempts}
    assert rooms >= {f"plans/fake-three{place}" for place in ("", "/min-latency", "/throughput")}
    shutil.rmtree(workspace.root / ".snakemake")
    for path in results.rglob("*"):
        if path.is_file() and not {"attempts", "logs"} & set(path.relative_to(results).parts):
            path.unlink()
    workspace.remade_by("plans", config=CONFIG)
    assert workspace.list_attempts() == attempts
    # A plan and its check say how long the search took and which plan they are of.
    stable = [path for path in documents if path.name in ("links.json", "cut.json", "scenario.json")]
    assert len(stable) == 3 and all(path.read_bytes() == documents[path] for path in stable)


def test_another_goal_plans_and_checks_that_goal_only(workspace):
    workspace.edit(PIPELINE, "[min-latency, throughput]", "[min-latency, throughput, accuracy-first]")
    remade = workspace.remade_by("plans", config=CONFIG)
    assert remade and all(path.startswith("plans/fake-three/accuracy-first/") for path in remade)


def test_a_budget_plans_again_and_measures_no_stage(workspace):
    workspace.edit(PIPELINE, "goals:", "constraints: {max_total_latency_ms: 1000}\ngoals:")
    remade = workspace.remade_by("plans", config=CONFIG)
    assert "plans/fake-three/scenario.json" in remade and "plans/fake-three/min-latency/plan.json" in remade
    assert {path.split("/")[0] for path in remade} == {"plans"}
    assert not {"plans/fake-three/links.json", "plans/fake-three/cut.json"} & remade


def test_a_stage_measured_again_plans_again(workspace):
    result = next((workspace.root / "results/runs").rglob("fake-three-02-shapes/fake/local/fp32/result.json"))
    result.unlink()
    remade = workspace.remade_by("plans", config=CONFIG)
    assert {path.split("/")[1] for path in remade if path.startswith("runs/")} == {"fake-three-02-shapes"}
    assert {"plans/fake-three/scenario.json", "plans/fake-three/min-latency/plan.json"} <= remade
    assert "plans/fake-three/links.json" not in remade


def test_a_goal_that_needs_energy_is_refused_by_name(workspace):
    workspace.edit(PIPELINE, "[min-latency, throughput]", "[min-energy]")
    done = workspace.snakemake("-n", "plans", config=CONFIG)  # before anything is measured
    assert done.returncode != 0
    assert "goals[0]: 'min-energy' needs the energy of every stage, and nothing measures it on 'local'" in done.stdout
    assert "fake-three.yaml" in done.stdout and "Traceback" not in done.stdout


def test_a_mistake_in_a_pipeline_is_one_line(workspace):
    workspace.edit(PIPELINE, "until: flatten/output", "untill: flatten/output")
    done = workspace.snakemake("-n", "plans", config=CONFIG)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "unknown key 'untill'" in done.stdout and "fake-three.yaml" in done.stdout
