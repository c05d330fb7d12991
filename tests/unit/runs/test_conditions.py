"""What disturbed a session: steal, and throttling as each board reports it."""

import pytest
from edgeproof.runs.conditions import describe_throttling, judge_environment, state_of


def vcgencmd(value):
    return {"source": "vcgencmd get_throttled", "value": value}


def counter(value):
    return {"source": "thermal_throttle", "value": value}


@pytest.mark.parametrize(
    ("before", "after", "throttled"),
    [
        (None, None, None),
        (vcgencmd(0), None, None),
        (vcgencmd(0), vcgencmd(0), None),
        (vcgencmd(0x50000), vcgencmd(0x50000), None),  # it happened before we came
        (vcgencmd(0), vcgencmd(0x40000), "says 0x40000"),
        (vcgencmd(0x50005), vcgencmd(0x50000), "says 0x50000"),  # it held when we began
        (counter(7), counter(7), None),
        (counter(7), counter(9), "grew by 2"),
    ],
)
def test_throttling_counts_if_it_happened_during_the_session(before, after, throttled):
    found = describe_throttling(before, after)
    assert found is None if throttled is None else throttled in found


def environment(steal, after=None):
    return {"before": {"throttled": counter(0)}, "after": {"throttled": after}, "steal_share": steal}


def test_steal_counts_above_one_percent():
    assert judge_environment(environment(None)) == judge_environment(environment(0.01)) == []
    assert judge_environment(environment(0.02)) == ["steal: the hypervisor took 2.0% of the CPU time, more than 1%"]
    assert len(judge_environment(environment(0.02, counter(1)))) == 2


def test_a_cell_that_was_never_measured_has_an_empty_state():
    assert set(state_of({"sessions": [], "runtime": None}).values()) == {None}
    state = state_of(
        {"sessions": [{"environment": {"before": {"kernel": "6.1", "os": "x"}}}], "runtime": {"version": "1"}}
    )
    assert (state["kernel"], state["runtime_version"], "os" in state) == ("6.1", "1", False)
