"""The contract's acceptance table, loads and faults on the virtual clock, and laws over random worlds."""

import json
import math

import pytest
from edgeproof.adaptation.heat_model import HeatModel
from edgeproof.adaptation.trace_replay import Conditions, render_step, replay_trace
from edgeproof.adaptation.traces import Moment
from edgeproof.runtime.feasibility import Limits
from edgeproof.runtime.selection import MaximizeAccuracy, MinimizePower
from edgeproof.runtime.stability import StabilityGuard
from edgeproof.runtime.variant_choice import Chooser

from .families_for_tests import list_commits, make_family, make_moments, play
from .replay_laws import check_laws


def wish(state, family):
    """The contract's wish: full in even tens of seconds, else tiny."""
    return "full" if math.floor(state.timestamp / 10) % 2 == 0 else "tiny"


@pytest.mark.parametrize(("mode", "swaps", "first"), [("seed", 2, [10, 20]), ("fixed", 50, [10, 20, 90, 100])])
def test_the_latch_is_there_in_seed_and_gone_in_fixed(mode, swaps, first):
    steps = play(make_family(), wish, make_moments(4000), mode, cooldown_sec=0, max_swaps_per_window=2)
    commits = list_commits(steps)
    assert (len(commits), commits[: len(first)]) == (swaps, first)


def test_seed_is_still_locked_an_hour_later():
    steps = play(make_family(), wish, make_moments(4000, 3700), "seed", cooldown_sec=0, max_swaps_per_window=2)
    assert len(list_commits(steps)) == 2
    assert {step.choice.rule for step in steps if step.at_s > 30} == {"same", "lock"}


@pytest.mark.parametrize(("cooldown", "swaps"), [(30.0, 67), (15.0, 4)])
def test_the_cap_of_seed_cannot_fire_above_a_cooldown_of_20_s(cooldown, swaps):
    steps = play(make_family(), wish, make_moments(4000), "seed", cooldown_sec=cooldown)
    assert len(list_commits(steps)) == swaps
    assert any(step.choice.rule == "lock" for step in steps) == (cooldown == 15.0)


@pytest.mark.parametrize(("mode", "swaps"), [("seed", 67), ("fixed", 0)])
def test_the_incumbents_own_memory_is_credited(mode, swaps):
    steps = play(make_family(), MaximizeAccuracy(), make_moments(450.0), mode)
    assert len(list_commits(steps)) == swaps
    assert {step.choice.rule for step in steps} == ({"same"} if mode == "fixed" else {"cooldown", "swap"})


@pytest.mark.parametrize("mode", ["seed", "fixed"])
def test_a_variant_that_does_not_fit_any_more_is_left_at_once(mode):
    """`full` is committed at 60 s; 5 s later 30 MB are free beside it."""

    def free(time):
        return 100.0 if time < 60 else 600.0 if time < 65 else 280.0

    conditions = Conditions(initial="tiny")
    steps = play(make_family(), MaximizeAccuracy(), make_moments(free, 70), mode, conditions)
    at = {step.at_s: step for step in steps}
    assert at[60].active == "full"
    decided = {"seed": ("cooldown", "full"), "fixed": ("forced", "tiny")}[mode]
    assert (at[65].choice.rule, at[65].active) == decided


def test_feasible_is_not_loadable():
    """Of 280 MB `full` holds 250: quantized would fit in its place, and not beside it."""
    (step,) = play(make_family(), MaximizeAccuracy(), make_moments(280.0, 5))
    quantized = next(verdict for verdict in step.choice.verdicts if verdict.name == "quantized")
    assert quantized == ("quantized", True, False, "residency", -50.0)
    assert step.active == "tiny"


@pytest.mark.parametrize(("reserve", "rule", "active"), [(128.0, "forced", "int8"), (64.0, "same", "fp32")])
def test_the_reserve_decides_whether_a_large_variant_stays(reserve, rule, active):
    family = make_family({"fp32": (50.0, 900.0, 0.92, "high"), "int8": (20.0, 20.0, 0.90, "low")})
    moments = make_moments(1000.0, 5)
    (step,) = play(family, MaximizeAccuracy(), moments, limits=Limits(reserve))
    assert (step.choice.rule, step.active) == (rule, active)
    (seed,) = play(family, MaximizeAccuracy(), moments, "seed")
    assert (seed.choice.rule, seed.active) == ("hysteresis", "fp32")


@pytest.mark.parametrize(("mode", "rule"), [("seed", "hysteresis"), ("fixed", "swap")])
def test_hysteresis_looks_at_the_policys_own_objective(mode, rule):
    family = make_family({"hot": (20.0, 50.0, 0.9, "high"), "cool": (20.0, 50.0, 0.9, "low")})
    (step,) = play(family, MinimizePower(), make_moments(4000.0, 5), mode)
    assert step.choice.rule == rule


def test_a_slow_load_is_not_started_again_and_is_committed_when_it_ends():
    steps = play(
        make_family(), wish, make_moments(4000, 60), conditions=Conditions(load_s={"tiny": 12.0}), cooldown_sec=0
    )
    first = [step for step in steps if step.at_s in (10, 15, 20, 25)]
    assert [step.codes for step in first][:3] == [("SWAP_PENDING:tiny",), (), ()]
    assert [step.choice.rule for step in first][1:3] == ["in_flight", "same"]
    assert first[3].codes[0] == "SWAP_COMMITTED:tiny" and first[3].commits == ((22.0, "swap"), (25.0, "swap"))


def test_failed_loads_back_off_and_end_in_quarantine():
    faults = {("tiny", number): "fails" for number in range(1, 9)}
    conditions = Conditions(faults=faults)
    steps = play(make_family(), lambda *_: "tiny", make_moments(4000, 200), conditions=conditions)
    tries = [step.at_s for step in steps if any(code.startswith("SWAP_LOAD_FAILED") for code in step.codes)]
    assert tries == [0.0, 10.0, 30.0]  # 10 s and 20 s of back-off, then quarantine
    verdicts = {verdict.name: verdict for verdict in steps[-1].choice.verdicts}
    assert (verdicts["tiny"].constraint, verdicts["tiny"].loadable) == ("quarantine", False)
    assert {step.active for step in steps} == {"full"}
    assert steps[-1].choice.rule == "outside"


def test_a_hanging_load_ends_at_the_time_out():
    conditions = Conditions(faults={("tiny", 1): "hangs"}, load_timeout_s=20.0)
    steps = play(make_family(), lambda *_: "tiny", make_moments(4000, 60), conditions=conditions)
    at = {step.at_s: step for step in steps}
    assert at[20].codes[0] == "SWAP_TIMED_OUT:tiny" and at[15].choice.rule == "in_flight"


def test_memory_that_is_gone_when_a_load_ends_fails_it():
    conditions = Conditions(initial="tiny", load_s={"full": 7.0})
    moments = make_moments(lambda time: 600.0 if time < 5 else 200.0, 30)
    steps = play(make_family(), MaximizeAccuracy(), moments, conditions=conditions)
    assert steps[0].codes == ("SWAP_PENDING:full",)
    assert steps[2].codes[0] == "SWAP_LOAD_FAILED:full:out of memory" and steps[2].before == "tiny"


def test_heat_follows_what_runs():
    """With `hot` running as recorded the board stays hot; the model says how it cools with the other variant."""
    family = make_family({"busy": (20.0, 50.0, 0.9, "high"), "calm": (20.0, 50.0, 0.8, "low")})
    busy = family.variants["busy"]
    family.variants["busy"] = busy._replace(metadata=busy.metadata._replace(cpu_seconds=0.05))
    moments = [Moment(10.0 * n, 4000.0, 0.0, 50.0, 80.0, None, None) for n in range(5)]
    chooser = Chooser(family, MaximizeAccuracy(), StabilityGuard(), Limits(heat_above_c=75.0))
    model = HeatModel(tau_s=10.0, gain=0.5, rest_c=55.0, error_rms_c=0.0, error_max_c=0.0)
    steps = list(replay_trace(chooser, moments, Conditions(requests_per_s=10.0), model))
    assert (steps[0].choice.rule, steps[0].active, steps[0].hot) == ("forced", "calm", True)
    assert [step.hot for step in steps[1:]] == [False] * 4  # 25 °C less in the end, 16 after one time constant
    assert steps[-1].active == "busy"


def test_lines_are_json_and_the_same_every_time():
    first, again = (
        [render_step(step, "fixed") for step in play(make_family(), wish, make_moments(300.0))] for _ in "ab"
    )
    assert first == again
    line = json.loads(first[0])
    assert line["verdicts"]["full"] == [False, False, "memory", -14.0] and line["codes"][0] == "SWAP_PENDING:tiny"


def test_laws_hold_in_random_worlds():
    assert sum(check_laws(seed) for seed in range(300)) > 200
