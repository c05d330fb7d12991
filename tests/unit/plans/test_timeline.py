"""When a plan does what: serial and scheduled events, memory over time, and schedules under other costs."""

import pytest
from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.scenario.timeline import retime_schedule, trace_plan, trace_schedule
from edgeproof.plans.solver.general_search import search_general


@pytest.fixture
def fork(two_stages):
    """first → second, first → third, scheduled; `first` hands over 10 MB in 1.5 ms."""
    two_stages["execution"] = "scheduled"
    two_stages["stages"].append({**two_stages["stages"][1], "name": "third"})
    two_stages["edges"] = [{"source": "first", "target": name} for name in ("second", "third")]
    return two_stages


# first on cpu until 4; second on cpu from 4 to 10; the copy from 4 to 5.5; third on npu from 5.5 to 8.5.
PLACEMENT = (0, 0, 1)
SCHEDULE = ((0, 4 * UNIT, int(5.5 * UNIT)), {(0, 0, 1): 4 * UNIT})


def list_events(timeline):
    return [(e.start / UNIT, e.end / UNIT, e.stage) for e in timeline.events]


def test_serial_events_follow_one_another(two_stages):
    problem = Problem(parse_scenario(two_stages))
    timeline = trace_plan(problem, (0, 1))
    assert list_events(timeline) == [(0, 4, 0), (4, 5.5, None), (5.5, 8.5, 1)]
    assert timeline.end == problem.evaluate((0, 1)).latency
    assert timeline.memory == problem.evaluate((0, 1)).memory


def test_scheduled_events_have_their_own_times(fork):
    problem = Problem(parse_scenario(fork))
    timeline = trace_plan(problem, PLACEMENT, SCHEDULE)
    assert list_events(timeline) == [(0, 4, 0), (4, 5.5, None), (4, 10, 1), (5.5, 8.5, 2)]
    assert timeline.end == 10 * UNIT


def test_scheduled_memory_is_the_peak_of_what_is_alive(fork):
    for stage in fork["stages"]:
        stage["profiles"]["cpu"]["activations_mb"] = 50
        stage["profiles"]["npu"]["activations_mb"] = 70
    timeline = trace_schedule(Problem(parse_scenario(fork)), PLACEMENT, SCHEDULE)
    # cpu: weights 100 + 200, the tensor and one stage's activations; npu: weights 300, the copy, activations.
    assert [amount / UNIT for amount in timeline.memory] == [300 + 10 + 50, 300 + 10 + 70]


def test_memory_of_overlapping_inputs_ignores_time(fork):
    problem = Problem(parse_scenario(fork), "pipelined")
    assert trace_schedule(problem, PLACEMENT, SCHEDULE).memory == problem.evaluate(PLACEMENT).memory


def test_a_schedule_keeps_its_order_under_other_costs(fork):
    fork["stages"][0]["profiles"]["cpu"]["latency_ms"] = 1
    slower = {**fork, "links": [{**fork["links"][0], "setup_ms": 4.5}]}
    starts, copies = retime_schedule(Problem(parse_scenario(slower)), PLACEMENT, SCHEDULE)
    assert [start / UNIT for start in starts] == [0, 1, 6.5]
    assert copies == {(0, 0, 1): 1 * UNIT}


def test_stages_on_one_device_keep_their_order(fork):
    schedule = ((0, 10 * UNIT, 4 * UNIT), {})  # third before second, all on cpu
    starts, _ = retime_schedule(Problem(parse_scenario(fork)), (0, 0, 0), schedule)
    assert [start / UNIT for start in starts] == [0, 10, 4]


def write_instant(two_stages, execution, budget):
    """Return a document whose first stage takes 0 ms on one device: weights 100 and 200, activations 80 and 5, a tensor
    of 10 MB.
    """
    stages = [{**stage, "profiles": {"cpu": {**stage["profiles"]["cpu"]}}} for stage in two_stages["stages"]]
    stages[0]["profiles"]["cpu"] |= {"latency_ms": 0, "activations_mb": 80}
    stages[1]["profiles"]["cpu"] |= {"activations_mb": 5}
    devices = [{"name": "cpu", "memory_mb": budget}]
    return {**two_stages, "devices": devices, "links": [], "stages": stages, "execution": execution}


@pytest.mark.parametrize("execution", ["serial", "scheduled"])
@pytest.mark.parametrize(("budget", "status"), [(390, "optimal"), (389, "infeasible")])
def test_a_stage_of_no_time_needs_its_memory(two_stages, solver, execution, budget, status):
    scenario = parse_scenario(write_instant(two_stages, execution, budget))
    problem, goal, answer = solver(scenario, "min-latency")
    assert answer.status == status
    assert search_general(problem, goal.levels, problem.caps).placements == list(answer.placements)


@pytest.mark.parametrize("after", [0, 2])
def test_what_lies_beside_a_stage_of_no_time_counts(fork, after):
    """On cpu, `second` takes no time while the tensor of `first` lies there for `third` on npu."""
    cpu = fork["stages"][1]["profiles"]["cpu"]
    fork["stages"][1]["profiles"]["cpu"] = {**cpu, "latency_ms": 0, "activations_mb": 60}
    fork["edges"] = [{"source": "first", "target": "third"}]
    problem = Problem(parse_scenario(fork))
    schedule = ((0, (4 + after) * UNIT, int(5.5 * UNIT)), {(0, 0, 1): 4 * UNIT})
    timeline = trace_schedule(problem, PLACEMENT, schedule)
    assert timeline.memory[0] / UNIT == 300 + 60 + 10  # the tensor lies there from 0 to 8.5 ms
    at_the_start = ((0, 0, int(5.5 * UNIT)), {(0, 0, 1): 4 * UNIT})
    assert trace_schedule(problem, PLACEMENT, at_the_start).memory[0] / UNIT == 300 + 60  # before the tensor is made
