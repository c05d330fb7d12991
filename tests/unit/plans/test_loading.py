"""Reading scenarios: what is accepted, what each version means, and errors that name the place."""

import json

import pytest
from edgeproof.core.errors import UserError
from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.loading import load_scenario, parse_scenario


@pytest.fixture
def v1(planner_data):
    return json.loads((planner_data / "memory_budget.json").read_text())


def refuse(document):
    with pytest.raises(UserError) as caught:
        parse_scenario(document, "s.json")
    text = str(caught.value)
    assert "\n" not in text and text.startswith("s.json")
    return text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(constrains={}), ["constrains", "unknown key"]),
        (lambda d: d["constraints"].update(max_latency=3), ["constraints", "max_latency"]),
        (lambda d: d["stages"][1]["profiles"]["cpu"].pop("memory_mb"), ["stages[1].profiles.cpu", "memory_mb"]),
        (
            lambda d: d["stages"][0]["profiles"]["cpu"].update(latency_ms=float("nan")),
            ["stages[0].profiles.cpu.latency_ms"],
        ),
        (
            lambda d: d["stages"][0]["profiles"]["cpu"].update(latency_ms=-1),
            ["stages[0].profiles.cpu.latency_ms", "≥ 0"],
        ),
        (lambda d: d["stages"][0]["profiles"]["cpu"].update(latency_ms=True), ["stages[0].profiles.cpu.latency_ms"]),
        (lambda d: d["devices"][1].update(name="cpu"), ["devices[1].name", "unique"]),
        (lambda d: d["devices"][1].update(name="  "), ["devices[1].name"]),
        (lambda d: d["devices"][1].update(memory_mb=0), ["devices[1].memory_mb"]),
        (lambda d: d["stages"][1].update(name="encoder"), ["stages[1].name", "encoder"]),
        (
            lambda d: d["stages"][1]["profiles"].update(dsp=d["stages"][1]["profiles"]["cpu"]),
            ["stages[1].profiles", "dsp"],
        ),
        (lambda d: d["stages"][1].update(profiles={}), ["stages[1].profiles"]),
        (lambda d: d["links"][0].update(source="dsp"), ["links[0].source", "dsp"]),
        (lambda d: d["links"].append({**d["links"][0], "source": "npu", "target": "cpu"}), ["links[1]", "npu → cpu"]),
        (lambda d: d["links"][0].update(target="cpu"), ["links[0]", "itself"]),
        (lambda d: d.update(stages=[]), ["stages"]),
        (lambda d: d.update(schema="edgeproof.scenario.v3"), ["schema"]),
    ],
)
def test_version_1_errors_name_the_place(v1, change, words):
    v1["constraints"] = {}
    change(v1)
    text = refuse(v1)
    assert all(word in text for word in words), text


def test_duplicate_keys_and_nan_in_a_file(tmp_path, planner_data):
    text = (planner_data / "memory_budget.json").read_text()
    path = tmp_path / "s.json"
    path.write_text(text.replace('"output_mb": 6', '"output_mb": 6, "output_mb": 7'))
    with pytest.raises(UserError, match="output_mb"):
        load_scenario(path)
    path.write_text(text.replace('"output_mb": 6', '"output_mb": NaN'))
    with pytest.raises(UserError, match="NaN"):
        load_scenario(path)


def test_version_1_zero_megabytes_cross_without_a_link(v1):
    v1["links"], v1["stages"][0]["output_mb"] = [], 0
    problem = Problem(parse_scenario(v1))
    assert problem.evaluate((0, 1)).switches == 1
    v1["stages"][0]["output_mb"] = 1
    assert Problem(parse_scenario(v1)).evaluate((0, 1)) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(edges=[{"source": "first", "target": "third"}]), ["edges[0].target", "third"]),
        (
            lambda d: d.update(
                edges=[{"source": "first", "target": "second"}, {"source": "second", "target": "first"}]
            ),
            ["cycle", "first", "second"],
        ),
        (lambda d: d.update(edges=[{"source": "first", "target": "first"}]), ["cycle", "first → first"]),
        (lambda d: d.update(edges=[{"source": "first", "target": "second"}] * 2), ["edges[1]", "repeats"]),
        (
            lambda d: (
                d["links"].clear() or (d["stages"][0]["profiles"].pop("npu") and d["stages"][1]["profiles"].pop("cpu"))
            ),
            ["first → second", "no link"],
        ),
        (lambda d: d.update(ingest={"device": "dsp", "input_mb": 1}), ["ingest.device", "dsp"]),
        (lambda d: d["stages"][0]["profiles"].update(cpu=[{"latency_ms": 1}, {"latency_ms": 2}]), ["cpu[1]", "twice"]),
        (lambda d: d["stages"][0]["profiles"]["cpu"].update(latency_ms={"value": 1}), ["latency_ms", "provenance"]),
        (
            lambda d: d["stages"][0]["profiles"]["cpu"].update(latency_ms={"value": 1, "provenance": "measured"}),
            ["latency_ms", "result"],
        ),
        (
            lambda d: d["stages"][0]["profiles"]["cpu"].update(
                latency_ms={"value": 9, "provenance": "declared", "interval": [1, 2]}
            ),
            ["latency_ms.value", "9"],
        ),
        (lambda d: d["stages"][0]["profiles"]["cpu"].update(energy=3), ["energy"]),
        (lambda d: d["devices"][0].update(sustained={"latency_factor": 0.5}), ["sustained.latency_factor"]),
        (lambda d: d.update(execution="parallel"), ["execution", "parallel"]),
    ],
)
def test_version_2_errors_name_the_place(two_stages, change, words):
    change(two_stages)
    text = refuse(two_stages)
    assert all(word in text for word in words), text


def test_shared_weights_must_agree(two_stages):
    for stage, size in zip(two_stages["stages"], (100, 120), strict=True):
        stage["profiles"]["cpu"].update(shared_weights="w", weights_mb=size)
    assert "'w'" in refuse(two_stages)


def test_version_2_crossing_pays_set_up_even_without_megabytes(two_stages):
    two_stages["stages"][0]["output_mb"] = 0
    problem = Problem(parse_scenario(two_stages))
    assert problem.evaluate((0, 1)).latency == 7.5 * UNIT
    assert problem.evaluate((0, 0)).latency == 10 * UNIT


def test_one_copy_per_device_and_order_from_edges(two_stages):
    two_stages["stages"].append({**two_stages["stages"][1], "name": "third"})
    two_stages["edges"] = [{"source": "first", "target": "second"}, {"source": "first", "target": "third"}]
    problem = Problem(parse_scenario(two_stages))
    both, one = problem.evaluate((0, 1, 1)), problem.evaluate((0, 1, 0))
    assert both.switches == one.switches == 1
    assert both.latency == (4 + 3 + 3 + 1.5) * UNIT
    two_stages["stages"].reverse()
    assert [parse_scenario(two_stages).stages[i].name for i in parse_scenario(two_stages).order] == [
        "first",
        "third",
        "second",
    ]


def test_derating_applies_under_sustained_load_only(two_stages):
    curve = [{"after_s": 0, "latency_factor": 1}, {"after_s": 100, "latency_factor": 2, "energy_factor": 1.5}]
    two_stages["devices"][0]["sustained"] = curve
    assert Problem(parse_scenario(two_stages)).evaluate((0, 0)).latency == 10 * UNIT
    two_stages["thermal"] = "sustained"
    assert Problem(parse_scenario(two_stages)).evaluate((0, 0)).latency == 20 * UNIT
    two_stages["sustained_s"] = 50
    assert Problem(parse_scenario(two_stages)).evaluate((0, 0)).latency == 15 * UNIT
    two_stages["devices"][0]["sustained"] = list(reversed(curve))
    assert "after_s" in refuse(two_stages)


def test_memory_rules(two_stages):
    for stage in two_stages["stages"]:
        stage["profiles"]["cpu"]["activations_mb"] = 50
    scenario = parse_scenario(two_stages)
    weights, tensor = 300, 10
    assert Problem(scenario).evaluate((0, 0)).memory[0] == (weights + 50 + tensor) * UNIT
    assert Problem(scenario, "pipelined").evaluate((0, 0)).memory[0] == (weights + 100 + 2 * tensor) * UNIT
    for stage in two_stages["stages"]:
        stage["profiles"]["cpu"].update(shared_weights="w", weights_mb=200)
    assert Problem(parse_scenario(two_stages)).evaluate((0, 0)).memory[0] == (200 + 50 + tensor) * UNIT


def test_ingest_and_egress_cost_but_are_no_switches(two_stages):
    two_stages["ingest"] = {"device": "cpu", "input_mb": 10}
    two_stages["egress"] = {"device": "cpu"}
    two_stages["stages"][1]["output_mb"] = 5
    totals = Problem(parse_scenario(two_stages)).evaluate((1, 1))
    assert totals.latency == (5 + 1.5 + 1.0) * UNIT
    assert totals.switches == 0


def test_unknown_energy_is_said_and_not_zero(two_stages, solver):
    del two_stages["stages"][0]["profiles"]["cpu"]["energy_mj"]
    scenario = parse_scenario(two_stages)
    assert scenario.energy_missing == "stages[0].profiles.cpu.energy_mj"
    with pytest.raises(UserError, match=r"stages\[0\].profiles.cpu.energy_mj"):
        solver(scenario, "balanced")
    assert solver(scenario, "min-latency")[2].status == "optimal"
    two_stages["constraints"] = {"max_total_energy_mj": 3}
    assert "max_total_energy_mj" in refuse(two_stages)


def test_numbers_keep_their_provenance(two_stages):
    quantity = {
        "value": 4,
        "provenance": "measured",
        "result": "results/runs/a/result.json",
        "digest": "0" * 64,
        "process_medians": [3.9, 4.1],
    }
    two_stages["stages"][0]["profiles"]["cpu"]["latency_ms"] = quantity
    found = parse_scenario(two_stages).quantities[("option", 0, 0, "latency_ms")]
    assert found.uncertain and found.result == quantity["result"]


def test_the_scenarios_with_known_answers_load(planner_data, golden):
    sizes = {name: load_scenario(planner_data / entry["file"]).placements for name, entry in golden.items()}
    assert len(sizes) == 9 and sizes == {name: entry["placements"] for name, entry in golden.items()}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda d: d["stages"][0]["profiles"]["cpu"].update(latency_ms=1e10),
            "stages[0].profiles.cpu.latency_ms is 1e+10; plans",
        ),
        (
            lambda d: d["stages"][0]["profiles"]["cpu"].update(weights_mb=4e6),
            "stages[0].profiles.cpu.weights_mb is 4e+06; plans",
        ),
        (lambda d: d["links"][0].update(latency_ms_per_mb=1e10), "a crossing is"),
        (lambda d: d["stages"][0].update(output_mb=1e300), "plans count up to 4e+06"),
    ],
)
def test_what_sums_cannot_hold_is_refused(two_stages, change, words):
    """int64 would wrap around, and the worst choice look like the best."""
    change(two_stages)
    with pytest.raises(UserError) as error:
        Problem(parse_scenario(two_stages))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_limit_beyond_all_sums_allows_everything(two_stages, solver):
    for device in two_stages["devices"]:
        device["memory_mb"] = 1e300
    assert solver(parse_scenario(two_stages), "min-latency")[2].placements
