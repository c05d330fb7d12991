"""Power modes, idle power and waking up: answers that follow by hand, on every engine and in the verifier."""

import pytest
from edgeproof.core.errors import UserError
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, add_requested_limits, plan_scenario
from edgeproof.plans.plan_verification import verify_document
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver import search


def make_modes(execution="serial"):
    """Two stages on one board with two modes.

    At 30 W the first stage takes 2 ms and 9 mJ, at 15 W 4 ms and 4 mJ; the second 3 ms and 3 mJ at 15 W, and at 30 W
    it does not run any faster, for 8 mJ. One mode for both: 15 W takes 7 ms and 7 mJ, 30 W 5 ms and 17 mJ. Mixed it
    would be 5 ms and 12 mJ.
    """
    rows = {"first": ((2, 9), (4, 4)), "second": ((3, 8), (3, 3))}
    stages = [
        {
            "name": name,
            "profiles": {
                "board": [
                    {"mode": mode, "latency_ms": ms, "energy_mj": mj}
                    for mode, (ms, mj) in zip(("30w", "15w"), costs, strict=True)
                ]
            },
        }
        for name, costs in rows.items()
    ]
    device = {"name": "board", "memory_mb": 10, "modes": ["30w", "15w"]}
    return {
        "schema": "edgeproof.scenario.v2",
        "name": "modes",
        "execution": execution,
        "devices": [device],
        "stages": stages,
    }


def plan(document, goal, **asked):
    scenario = parse_scenario(document)
    return scenario, build_plan_document(plan_scenario(scenario, Request(goal=goal, draws=0, **asked)))


@pytest.mark.parametrize("engine", ["enumeration", "modes"])
@pytest.mark.parametrize("execution", ["serial", "scheduled"])
def test_one_mode_for_the_whole_plan(engine, execution, monkeypatch):
    if engine == "modes":
        monkeypatch.setattr(search, "fits_enumeration", lambda *_: False)
    for goal, value, mode in (("min-latency", 5.0, "30w"), ("min-energy", 7.0, "15w")):
        scenario, document = plan(make_modes(execution), goal, front=False)
        assert document["status"] == "optimal" and len(document["plans"]) == 2
        assert document["plans"][0]["total_score"] == pytest.approx(value)
        assert document["plans"][0]["variants"] == [mode, mode]
        verdict = verify_document(document, scenario)
        assert verdict.failures == [] and "confirmed" in verdict.optimality


def test_a_plan_in_two_modes_is_refuted():
    scenario, document = plan(make_modes(), "min-latency", front=False)
    document["plans"][0]["assignments"][1]["variant"] = "15w"
    assert "crosses" in " ".join(verify_document(document, scenario).failures)


def test_a_mode_that_the_device_lacks_is_a_mistake():
    document = make_modes()
    document["stages"][0]["profiles"]["board"][0]["mode"] = "50w"
    with pytest.raises(UserError, match="the modes of 'board' are 30w, 15w"):
        parse_scenario(document)


def make_idle(idle_mw):
    """One stage: 10 ms and 2 mJ, or 4 ms and 8 mJ. Idle power of 1,000 mW adds 1 mJ per ms: 12 against 12 mJ."""
    profile = [
        {"precision": "small", "latency_ms": 10, "energy_mj": 2},
        {"precision": "large", "latency_ms": 4, "energy_mj": 8},
    ]
    return {
        "schema": "edgeproof.scenario.v2",
        "name": "idle",
        "devices": [{"name": "board", "memory_mb": 10, "idle_mw": idle_mw}],
        "stages": [{"name": "only", "profiles": {"board": profile}}],
    }


@pytest.mark.parametrize(
    ("idle_mw", "variant", "energy"), [(0, "small", 2), (999, "small", 11.99), (1001, "large", 12.004)]
)
def test_idle_power_counts_for_as_long_as_the_plan_takes(idle_mw, variant, energy):
    scenario, document = plan(make_idle(idle_mw), "min-energy")
    assert document["plans"][0]["variants"] == [variant]
    assert document["plans"][0]["total_energy_mj"] == pytest.approx(energy)
    assert verify_document(document, scenario).outcome == "holds"


def test_crossings_draw_idle_power_too(two_stages):
    two_stages["devices"][0]["idle_mw"] = 2000
    scenario, document = plan(two_stages, "min-latency", top_k=1, front=False)
    # cpu 4 ms and 4 mJ, crossing 1.5 ms and 1 mJ, npu 3 ms and 2 mJ; 8.5 ms at 2 mJ per ms
    assert document["plans"][0]["total_energy_mj"] == pytest.approx(4 + 1 + 2 + 17)
    assert document["plans"][0]["transfers"][0]["energy_mj"] == pytest.approx(1 + 3)
    assert verify_document(document, scenario).failures == []


def test_scheduled_execution_refuses_idle_power(two_stages):
    two_stages["devices"][0]["idle_mw"], two_stages["execution"] = 5, "scheduled"
    with pytest.raises(UserError, match="idle_mw, which scheduled execution does not count"):
        parse_scenario(two_stages)


def make_entries(entry_ms, count=3):
    """A chain that is 1 ms faster on `fast` in its middle; going there and back wakes two devices more.

    All on `slow`: 4 ms a stage and one entry. The middle on `fast`: 3 ms instead of 4, and two entries more.
    """
    stages = [
        {
            "name": f"s{n}",
            "profiles": {
                "slow": {"latency_ms": 4, "energy_mj": 1},
                **({"fast": {"latency_ms": 3, "energy_mj": 1}} if n == 1 else {}),
            },
        }
        for n in range(count)
    ]
    return {
        "schema": "edgeproof.scenario.v2",
        "name": "entries",
        "devices": [{"name": n, "memory_mb": 10, "entry_ms": entry_ms} for n in ("slow", "fast")],
        "links": [{"source": "slow", "target": "fast", "latency_ms_per_mb": 0, "energy_mj_per_mb": 0}],
        "stages": stages,
    }


@pytest.mark.parametrize("engine", ["enumeration", "labels", "cp-sat"])
@pytest.mark.parametrize(("entry_ms", "latency", "devices"), [(0.4, 12.2, 2), (0.6, 12.6, 1)])
def test_waking_up_is_paid_on_every_return(engine, entry_ms, latency, devices, monkeypatch):
    if engine != "enumeration":
        monkeypatch.setattr(search, "fits_enumeration", lambda *_: False)
    if engine == "cp-sat":
        monkeypatch.setattr(search, "handles_chain", lambda *_: False)
    scenario, document = plan(make_entries(entry_ms), "min-latency", front=False)
    first = document["plans"][0]
    assert first["total_latency_ms"] == pytest.approx(latency) and len(set(first["path"])) == devices
    assert document["certificate"]["engine"] == engine
    assert verify_document(document, scenario).failures == []


def test_only_serial_execution_wakes_devices_up():
    with pytest.raises(UserError, match="only serial execution counts, not pipelined"):
        parse_scenario({**make_entries(1), "execution": "pipelined"})


@pytest.mark.parametrize(
    ("goal", "limits"), [("throughput", {}), ("lex:latency,period", {}), ("min-latency", {"period_ms": 50})]
)
def test_waking_up_is_refused_where_periods_do_not_count_it(goal, limits):
    scenario = add_requested_limits(parse_scenario(make_entries(0.4)), **limits)
    with pytest.raises(UserError, match="entry_ms: periods do not count it"):
        plan_scenario(scenario, Request(goal, front=False, draws=0))
    awake = add_requested_limits(parse_scenario(make_entries(0)), **limits)
    assert plan_scenario(awake, Request(goal, front=False, draws=0)).answer.status == "optimal"
