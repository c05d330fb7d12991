"""How robust a plan is: resampling of measured numbers, regret, feasibility, and the measurement to repeat."""

import random

import pytest
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.outcome.robustness import Sampler
from edgeproof.plans.scenario.loading import parse_scenario


def measured(value, spread, name, count=6):
    rng = random.Random(name)
    medians = [round(value * (1 + spread * rng.uniform(-1, 1)), 6) for _ in range(count)]
    medians += [round(2 * value - m, 6) for m in medians]
    return {
        "value": value,
        "provenance": "measured",
        "result": f"results/runs/{name}/result.json",
        "digest": "a" * 64,
        "process_medians": medians,
    }


@pytest.fixture
def close_call(two_stages):
    """Two stages, either device within a few percent; `second` on npu is the doubtful number."""
    profiles = [stage["profiles"] for stage in two_stages["stages"]]
    profiles[0]["cpu"]["latency_ms"] = measured(2.0, 0.001, "first-cpu")
    profiles[0]["npu"]["latency_ms"] = measured(2.0, 0.001, "first-npu")
    profiles[1]["cpu"]["latency_ms"] = measured(3.02, 0.002, "second-cpu")
    profiles[1]["npu"]["latency_ms"] = measured(3.0, 0.3, "second-npu")
    two_stages["devices"][1]["memory_mb"] = 1000
    return two_stages


def assess(document, **asked):
    return plan_scenario(parse_scenario(document), Request(**{"goal": "min-latency", "front": False, **asked}))


def test_a_close_call_names_runner_up_and_what_to_repeat(close_call):
    found = assess(close_call, draws=300).robustness
    plan, other = found.contenders[:2]
    assert plan.placement == (1, 1) and other.placement == (0, 0)
    assert 0.3 < plan.probability_best < 0.9
    assert plan.probability_best + other.probability_best == pytest.approx(1.0)
    assert 0 < plan.expected_regret < plan.worst_regret
    assert found.repeat.result == "results/runs/second-npu/result.json"
    assert found.repeat.expected_regret_after < plan.expected_regret
    assert found.uncertain == 4


def test_a_clear_case_needs_no_repetition(close_call):
    close_call["stages"][1]["profiles"]["cpu"]["latency_ms"] = measured(9.0, 0.01, "slow")
    found = assess(close_call).robustness
    assert found.contenders[0].probability_best == 1.0
    assert found.contenders[0].expected_regret == 0.0 and found.repeat is None


def test_the_same_seed_gives_the_same_answer(close_call):
    assert assess(close_call, seed=4).robustness == assess(close_call, seed=4).robustness
    assert assess(close_call, seed=4).robustness != assess(close_call, seed=5).robustness


def test_a_tight_cap_makes_feasibility_doubtful(close_call):
    close_call["constraints"] = {"max_total_latency_ms": 5.01}
    found = assess(close_call).robustness
    assert 0.2 < found.contenders[0].probability_feasible < 0.9
    assert found.infeasible_draws > 0


def test_declared_numbers_have_no_interval(two_stages):
    outcome = assess(two_stages)
    assert outcome.robustness is None
    assert any("no number of the scenario" in note for note in build_plan_document(outcome)["notes"])


def test_numbers_of_one_result_are_resampled_together(two_stages):
    profile = two_stages["stages"][0]["profiles"]["cpu"]
    profile["latency_ms"] = measured(4.0, 0.1, "one")
    profile["energy_mj"] = {**measured(4.0, 0.1, "one"), "value": 4.0}
    sampler = Sampler(parse_scenario(two_stages))
    values = sampler.draw(random.Random(1))
    assert values["option", 0, 0, "latency_ms"] == values["option", 0, 0, "energy_mj"]
    assert len(sampler.groups) == 1


def test_an_interval_alone_is_drawn_around_its_value(two_stages):
    two_stages["stages"][0]["profiles"]["cpu"]["latency_ms"] = {
        "value": 4.0,
        "provenance": "measured",
        "result": "r",
        "digest": "b" * 64,
        "interval": [3.8, 4.2],
    }
    sampler, rng = Sampler(parse_scenario(two_stages)), random.Random(0)
    values = [sampler.draw(rng)["option", 0, 0, "latency_ms"] for _ in range(2000)]
    assert sum(3.8 <= value <= 4.2 for value in values) / 2000 == pytest.approx(0.95, abs=0.02)


def test_links_can_be_the_doubt(close_call):
    close_call["links"][0]["setup_ms"] = measured(0.01, 0.9, "link")
    close_call["links"][0]["latency_ms_per_mb"] = 0
    close_call["stages"][0]["profiles"]["npu"]["latency_ms"] = 3.0
    close_call["stages"][1]["profiles"]["cpu"]["latency_ms"] = 9.0
    close_call["stages"][1]["profiles"]["npu"]["latency_ms"] = 3.0
    found = assess(close_call).robustness
    assert found.contenders[0].placement == (0, 1)


def test_scheduled_plans_are_replayed(close_call):
    close_call["execution"] = "scheduled"
    close_call["stages"].append({**close_call["stages"][1], "name": "third"})
    close_call["edges"] = [{"source": "first", "target": "second"}, {"source": "first", "target": "third"}]
    outcome = assess(close_call, draws=20, top_k=2)
    assert outcome.robustness.contenders[0].probability_feasible == 1.0
    assert build_plan_document(outcome)["robustness"]["draws"] == 20
