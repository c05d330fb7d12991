"""The environment: what is known, what is not, and what moved."""

import pytest
from edgeproof.bench.made_up_cells import make_session
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.environment_tables import describe_environments, notice_changes

QUIET = make_session([], "ok", "", {})["environment"]


def moved(steal=None, before=(), after=()):
    return {"before": QUIET["before"] | dict(before), "after": QUIET["after"] | dict(after), "steal_share": steal}


def test_a_quiet_session_has_nothing_to_notice():
    assert notice_changes(QUIET) == []


@pytest.mark.parametrize(
    ("environment", "beginning"),
    [
        (moved(steal=0.02), "steal: "),
        (moved(before={"load_average": [1.5, 1, 1]}), "load: 1.50 on 2 CPUs before the start"),
        (
            moved(before={"governors": ["performance"]}, after={"governors": ["powersave"]}),
            "governor: changed from perf",
        ),
        (moved(before={"power_mode": "15W"}), "power mode: changed from 15W to "),
        (moved(before={"frequencies_khz": [1500000]}, after={"frequencies_khz": [600000]}), "frequency: fell from 1"),
        (
            moved(before={"temperatures_c": {"a": 40.0}}, after={"temperatures_c": {"a": 61.0}}),
            "temperature: rose by 21",
        ),
        (
            moved(
                before={"throttled": {"source": "core_throttle_count", "value": 0}},
                after={"throttled": {"source": "core_throttle_count", "value": 3}},
            ),
            "throttling: core_throttle_count grew by 3",
        ),
    ],
)
def test_what_moved_is_noticed(environment, beginning):
    notices = notice_changes(environment)
    assert len(notices) == 1
    assert notices[0].startswith(beginning)


def test_steal_does_not_disturb_a_simulation():
    assert notice_changes(moved(steal=0.5), "simulated") == []


def test_devices_show_what_they_have_and_name_what_they_have_not(campaign):
    desk, board = describe_environments(collect_evidence(campaign).cells)
    assert (desk["name"], len(desk["sessions"]), desk["unmeasured"]) == ("desk", 8, 1)
    assert {fact["name"]: fact["values"][0]["text"] for fact in desk["facts"]}["CPU"] == "Made-up CPU"
    assert {"board", "governor", "highest frequency", "throttling", "steal"} <= set(desk["absent"])
    assert [column["key"] for column in desk["columns"]] == ["duration", "load", "memory"]
    assert desk["notices"] == 0
    assert board["notices"] == 1


def test_sessions_that_differ_are_counted(campaign):
    desk = describe_environments(collect_evidence(campaign).cells)[0]
    runtime = next(fact for fact in desk["facts"] if fact["name"] == "runtime")
    assert {value["text"] for value in runtime["values"]} == {"onnxruntime 1.31.1", "fake 1.31.1"}
    assert all(value["count"].endswith("of 8 sessions") for value in runtime["values"])
