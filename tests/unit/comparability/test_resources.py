"""Power, energy, temperature and memory in judgements: compared where they are of the same thing, and nowhere else."""

import numpy as np
import pytest
from edgeproof.comparability.field_views import read_fields
from edgeproof.comparability.quantities import RunEvidence, find_in_run
from edgeproof.comparability.regression import judge_thresholds, read_metrics
from edgeproof.comparability.resource_sentences import describe_resources
from edgeproof.comparability.resources import compare_resources, read_resources
from edgeproof.core.formatting import plain
from edgeproof.runs.results import read_result

from ..runs.test_results import store
from ..runs.watched import describe_sampler, store_watched

ONE = {"left": 1, "right": 1}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of known power: `module` 6.1 W, `more` 9.1 W, `wall` 6.1 W at the wall, `none` without samplers."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("module", "more", "wall", "none")}
    wall = describe_sampler()
    wall["power"] = {**wall["power"], "boundary": "wall"}
    paths = {
        "module": store_watched(folders["module"]),
        "more": store_watched(folders["more"], watts=(9.0, 9.1, 9.2)),
        "wall": store_watched(folders["wall"], samplers=[wall, describe_sampler("procfs", power=None)]),
        "none": store(folders["none"]),
    }
    return {name: read_result(path) for name, path in paths.items()}


def compare(results, left, right, per_call=ONE):
    lines = compare_resources(*(read_resources(results[side]) for side in (left, right)), per_call)
    return {line["quantity"]: line for line in lines}


def test_more_power_is_higher_with_an_interval_that_holds_both_budgets(results):
    lines = compare(results, "module", "more")
    energy = lines["energy_j"]
    assert energy["verdict"] == "higher" and lines["power_mean_w"]["verdict"] == "higher"
    assert energy["delta_pct"] == pytest.approx(100 * (9.1 / 6.1 - 1), abs=0.5)
    assert energy["low_pct"] < energy["delta_pct"] < energy["high_pct"]
    assert compare(results, "more", "module")["energy_j"]["verdict"] == "lower"
    assert lines["memory_mean_bytes"]["verdict"] == lines["temperature_peak_c"]["verdict"] == "shown"


def test_the_same_power_is_undecided(results):
    assert compare(results, "module", "module")["energy_j"]["verdict"] == "undecided"


def test_another_boundary_is_not_comparable_and_shows_no_difference(results):
    lines = compare(results, "module", "wall")
    for name in ("energy_j", "net_energy_j", "power_mean_w", "power_peak_w"):
        assert lines[name]["verdict"] == "not-comparable" and lines[name]["delta_pct"] is None
        assert lines[name]["reason"] == "boundary is module on the left and wall on the right"
    assert lines["memory_mean_bytes"]["verdict"] == "shown"
    fields = read_fields(results["module"]), read_fields(results["wall"])
    assert [each["power_boundary"] for each in fields] == ["module", "wall"]


def test_a_side_without_samplers_is_unknown_and_two_have_no_lines(results):
    lines = compare(results, "module", "none")
    assert lines["energy_j"]["verdict"] == "unknown"
    assert lines["energy_j"]["reason"] == "right: it was measured without samplers"
    assert compare(results, "none", "none") == {} and read_resources(results["none"]) is None


def test_energy_of_a_batch_is_per_item(results):
    lines = compare(results, "module", "module", {"left": 1, "right": 4})
    assert lines["energy_j"]["delta_pct"] == pytest.approx(-75) and lines["power_mean_w"]["delta_pct"] == 0


def test_sentences_name_boundary_and_rails(results):
    report = {"resources": list(compare(results, "module", "more").values())}
    text = [plain(line) for line in describe_resources(report)]
    assert text[0].startswith("Energy per inference, module (VDD_IN): ") and "the right side is higher." in text[0]
    assert text[-1] == "These figures are from two runs at two times."
    refused = {"resources": list(compare(results, "module", "wall").values())}
    assert "Energy per inference is not comparable: boundary is module" in describe_resources(refused)[0]
    assert describe_resources({"resources": []}) == []


def criterion(metric, statistic, unit, **more):
    fixed = {"id": "x", "regime": "warm", "confidence": None, "limit": 1.0, "direction": "at_most", "required": True}
    return {**fixed, "metric": metric, "statistic": statistic, "unit": unit, **more}


def find(result, *words, **more):
    return find_in_run(criterion(*words, **more), RunEvidence(result, [np.ones(3)], {}))


def test_criteria_ask_about_what_samplers_watch(results):
    result = results["module"]
    energy = find(result, "energy", "mean", "mJ")
    assert energy.value == pytest.approx(1e3 * result["energy"]["value_j"]) and energy.low < energy.value < energy.high
    budget = result["energy"]["budget"]["total"]
    assert energy.high == pytest.approx(1e3 * result["energy"]["high_j"] * (1 + budget))
    assert "module (VDD_IN)" in energy.source and "error budget" in energy.source
    assert find(result, "energy", "net", "J").value == pytest.approx(result["energy"]["net_j"])
    power = find(result, "power", "mean", "W")
    assert power.low == pytest.approx(power.value * (1 - budget))
    assert find(result, "power", "maximum", "W").value == 6.2
    heat = find(result, "temperature", "maximum", "°C")
    assert heat.value == result["temperature"]["peak_c"] and "gpu" in heat.source
    assert find(result, "memory", "mean", "MB").value == 3.0


def test_a_criterion_may_ask_for_a_boundary(results):
    asked = find(results["module"], "energy", "mean", "J", boundary="wall")
    assert asked.value is None and asked.reason == "it is the energy of the module, the criterion asks about wall"
    assert find(results["wall"], "energy", "mean", "J", boundary="wall").value is not None
    missing = find(results["none"], "energy", "mean", "J", boundary="wall")
    assert missing.reason == "no power sampler is configured for this device"


def test_point_policies_take_what_samplers_watch(results):
    entry = {"name": "hot", "metric": "energy_j", "comparison": ">=", "threshold_pct": 20, "type": "resource"}
    entry |= {"severity": "warning", "optional": False}
    metrics = {name: read_metrics(result) for name, result in results.items()}
    (line,) = judge_thresholds([entry], metrics["module"], metrics["more"])
    assert line["status"] == "triggered" and line["delta_pct"] == pytest.approx(49.2, abs=0.5)
    (line,) = judge_thresholds([entry], metrics["none"], metrics["more"])
    assert line["status"] == "unknown" and line["reason"] == "the baseline has no energy_j"
