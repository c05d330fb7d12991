"""Every number of a scenario has a bound, or a reason why it needs none: no sum may wrap around in 64 bits."""

import json
from pathlib import Path

import pytest
from edgeproof.core.errors import UserError
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.bounds import LARGEST, LIMITS, RATES, STEPS, SUMLESS
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.loading import parse_scenario

SCHEMAS = Path(__file__).resolve().parents[3] / "config" / "schemas"
NUMBERS = {"number", "integer"}
# Keys that hold numbers of another key.
PARTS = {"value", "process_medians", "interval"}


def list_numeric_keys(schema, definitions, name=""):
    """Yield the names of all numbers that a schema allows."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    kinds = schema.get("type", [])
    if NUMBERS & set([kinds] if isinstance(kinds, str) else kinds):
        yield name
    for key, inner in schema.get("properties", {}).items():
        yield from list_numeric_keys(inner, definitions, name if key in PARTS else key)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from list_numeric_keys(schema[key], definitions, name)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_table_has_every_number_of_the_schemas(version):
    schema = json.loads((SCHEMAS / f"scenario-{version}.schema.json").read_text())
    found = set(list_numeric_keys(schema, schema.get("$defs", {})))
    assert {"latency_ms", "latency_ms_per_mb", "memory_mb"} <= found
    known = {*STEPS, *RATES, *SUMLESS, *(limit.rpartition(".")[2] for limit in LIMITS)}
    assert found <= known


def write_number(document, name, value):
    """Set one number of a document that two stages share."""
    device, stage, link = document["devices"][0], document["stages"][0], document["links"][0]
    if name in ("entry_ms", "idle_mw"):
        device[name] = value
    elif name in ("latency_factor", "energy_factor"):
        device["sustained"] = {"latency_factor": 1, name: value}
        document["thermal"] = "sustained"
    elif name in ("setup_ms", "setup_mj", *RATES):
        link[name] = value
    elif name == "output_mb":
        stage[name] = value
    elif name == "input_mb":
        document["ingest"] = {"device": "cpu", name: value}
    elif name == "memory_mb":  # of version 1
        del document["schema"]
        for other in document["stages"]:
            for profile in other["profiles"].values():
                profile["memory_mb"] = profile.pop("weights_mb")
        del link["setup_ms"]
        stage["profiles"]["cpu"][name] = value
    else:
        stage["profiles"]["cpu"][name] = value


@pytest.mark.parametrize("value", [LARGEST, 4.7e9, 5e9, 1e14, 1e299])
@pytest.mark.parametrize("name", STEPS)
def test_a_cost_that_sums_cannot_hold_is_refused_by_its_key(two_stages, name, value):
    write_number(two_stages, name, value)
    with pytest.raises(UserError, match=rf"{name} is .*plans count up to 4e\+06 per step"):
        parse_scenario(two_stages)


@pytest.mark.parametrize("value", [4.7e9, 1e14, 1e299])
@pytest.mark.parametrize("name", RATES)
def test_a_rate_is_bounded_by_what_a_crossing_costs(two_stages, name, value):
    write_number(two_stages, name, value)
    with pytest.raises(UserError, match="link cpu → npu: a crossing is"):
        Problem(parse_scenario(two_stages))


@pytest.mark.parametrize("part", ["process_medians", "interval"])
def test_samples_have_the_bound_of_their_number(two_stages, part):
    quantity = {"value": 4, "provenance": "declared", part: [4, 5e9]}
    two_stages["stages"][0]["profiles"]["cpu"]["latency_ms"] = quantity
    with pytest.raises(UserError, match=rf"latency_ms.{part}\[1\] is 5e\+09"):
        parse_scenario(two_stages)


def test_energy_drawn_while_a_device_wakes_up_is_bounded(two_stages):
    two_stages["devices"][0] |= {"entry_ms": 1e6, "idle_mw": 1e6}
    with pytest.raises(UserError, match=r"'cpu'.*entry_ms"):
        Problem(parse_scenario(two_stages))


@pytest.mark.parametrize(
    ("costs", "told"),
    [
        ({"latency_ms": 3.9e6}, "latency in ms"),
        ({"latency_ms": 1, "energy_mj": 3.9e6}, "energy in mJ"),
        ({"latency_ms": 1, "weights_mb": 3.9e6}, "memory in MB"),
        ({"latency_ms": 1, "accuracy_drop": 3.9e6}, "accuracy_drop"),
    ],
)
def test_many_large_steps_are_refused_together(costs, told):
    stages = [{"name": f"s{i}", "profiles": {"cpu": {"energy_mj": 1, **costs}}} for i in range(1100)]
    document = {
        "schema": "edgeproof.scenario.v2",
        "name": "long",
        "devices": [{"name": "cpu", "memory_mb": 1e300}],
        "stages": stages,
    }
    with pytest.raises(UserError, match=rf"a plan's {told} may reach 4\.29e\+09; plans count up to 4e\+09 in all"):
        Problem(parse_scenario(document))
    kept = parse_scenario({**document, "stages": stages[:900]})
    assert Problem(kept).evaluate((0,) * 900) is not None


def test_the_cheaper_of_two_devices_with_long_wake_ups_wins(two_stages):
    """The largest times allowed: no sum wraps around, so the best plan stays on one device."""
    for device in two_stages["devices"]:
        device |= {"entry_ms": 3.9e6, "memory_mb": 2000}
    answer = plan_scenario(parse_scenario(two_stages), Request("min-latency", top_k=4, front=False, draws=0)).answer
    assert (answer.status, answer.objective) == ("optimal", pytest.approx(3.9e6 + 5))
