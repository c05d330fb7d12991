"""The guard: EdgeAdapt's order in mode `seed`, thresholds, the lock that ends, and what it counts."""

import pytest
from edgeproof.runtime.device_state import DeviceState
from edgeproof.runtime.selection import MaximizeAccuracy
from edgeproof.runtime.stability import Proposal, StabilityGuard

from ..adaptation.families_for_tests import make_family


def ask(guard, now, **more):
    return guard.judge(Proposal("a", "b", now, **more))


def test_order_of_the_rules():
    guard = StabilityGuard(max_swaps_per_window=2, cooldown_sec=10, swap_window_sec=60)
    assert guard.judge(Proposal("a", "a", 0.0, True, True)) == "same"
    assert ask(guard, 0.0, loading=True, forced=True) == "in_flight"
    assert ask(guard, 0.0, forced=True) == "forced"
    assert ask(guard, 0.0, gain=0.01) == "hysteresis"
    guard.note_commit(0.0)
    assert ask(guard, 5.0, gain=0.01) == "cooldown"
    assert ask(guard, 10.0, gain=0.05) == "swap"  # equal passes
    guard.note_commit(10.0)
    assert [ask(guard, now, gain=1.0) for now in (20.0, 70.0, 70.1)] == ["lock", "lock", "swap"]
    assert ask(guard, 20.0, forced=True) == "forced"
    assert guard.counters == {
        "same": 1, "in_flight": 1, "outside": 0, "forced": 2, "lock": 2, "cooldown": 1, "hysteresis": 1, "swap": 2
    }  # fmt: skip


def test_thresholds_have_a_tolerance():
    guard = StabilityGuard()
    assert ask(guard, 0.0, gain=0.95 - 0.90) == ask(guard, 0.0, gain=0.92 - 0.87) == "swap"
    seed = StabilityGuard(mode="seed")
    near = make_family({"a": (1, 1, 0.90, "low"), "b": (1, 1, 0.95, "low")})
    assert not seed.should_swap("a", "b", family=near, now=0.0)  # 0.95 − 0.90 is below 0.05 as floats are
    assert seed.should_swap("quantized", "full", family=make_family(), now=0.0)


def test_forced_commits_count_in_the_window():
    guard = StabilityGuard(max_swaps_per_window=2, cooldown_sec=0)
    for now in (0.0, 1.0, 2.0):
        assert ask(guard, now, forced=True) == "forced"
        guard.note_commit(now)
    assert ask(guard, 3.0) == "lock"


def test_seed_asks_in_its_own_order():
    family, guard = make_family(), StabilityGuard(mode="seed", cooldown_sec=30)
    assert not guard.should_swap("full", "full", family=family, now=0.0)
    assert guard.should_swap("full", "tiny", family=family, now=0.0)
    assert guard.should_swap("full", "unknown", family=family, now=0.0)
    assert guard.should_swap("full", "tiny", now=0.0)
    guard.note_commit(0.0)
    assert not guard.should_swap("tiny", "full", family=family, now=29.9)
    assert guard.should_swap("tiny", "full", family=family, now=30.0)
    assert not guard.should_swap("tiny", "full", [-5.0, -4.0, -3.0], family, 30.0)  # four in the window: locked
    assert guard.is_locked(30.0)
    assert not guard.should_swap("tiny", "full", family=family, now=3600.0)  # for good
    assert guard.should_swap("full", "tiny", family=family, now=3600.0)


def test_a_guard_hands_selection_on():
    guard = StabilityGuard(MaximizeAccuracy())
    assert guard.select(DeviceState(100.0), make_family()) == "quantized"
    assert guard.select_with_explanation(DeviceState(100.0), make_family())[1]["policy"] == "MaximizeAccuracy"
    with pytest.raises(ValueError, match="wraps no policy"):
        StabilityGuard().select(DeviceState(1.0), make_family())


@pytest.mark.parametrize("wrong", [{"mode": "none"}, {"hysteresis": -1.0}, {"max_swaps_per_window": 0}])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ValueError):
        StabilityGuard(**wrong)
