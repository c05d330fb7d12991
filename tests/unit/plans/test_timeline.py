"""When a plan does what: serial and scheduled events, memory over time, and schedules under other costs."""

import pytest
from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.scenario.timeline import retime_schedule, trace_plan, trace_schedule


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
