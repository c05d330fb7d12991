"""One decision: who may be chosen, what is explained, and what is refused before anything runs."""

import pytest
from edgeproof.runtime.device_state import DeviceState
from edgeproof.runtime.feasibility import Limits
from edgeproof.runtime.selection import MaximizeAccuracy, MinimizePower
from edgeproof.runtime.stability import StabilityGuard
from edgeproof.runtime.variant_choice import Chooser, Situation

from ..adaptation.families_for_tests import make_family


def choose(chooser, ram, incumbent="full", **more):
    state = DeviceState(ram, battery_pct=more.pop("battery", None), thermal_zone_c=more.pop("heat", None))
    return chooser.choose(Situation(state, incumbent, 0.0, **more))


def test_measured_memory_takes_the_place_of_the_declared():
    chooser = Chooser(make_family(), MaximizeAccuracy())
    declared = choose(chooser, 50.0)
    assert (declared.rule, declared.resident_mb, declared.resident_origin) == ("forced", 250.0, "declared")
    measured = choose(chooser, 50.0, resident_mb=300.0)
    assert (measured.rule, measured.resident_origin) == ("same", "measured")


def test_every_verdict_names_its_constraint():
    chooser = Chooser(make_family(), MaximizeAccuracy(latency_ceiling_ms=40.0))
    verdicts = {item.name: item for item in choose(chooser, 30.0, "tiny", blocked={"tiny": "io"}).verdicts}
    assert verdicts["full"][1:] == (False, False, "memory", -264.0)
    assert verdicts["quantized"][1:] == (False, False, "memory", -94.0)
    assert verdicts["tiny"][1:] == (False, False, "memory", -34.0)
    verdicts = {item.name: item for item in choose(chooser, 300.0, "tiny").verdicts}
    assert verdicts["quantized"][1:] == (False, True, "latency", -5.0)
    assert verdicts["tiny"][1:] == (True, True, "memory", 236.0)


@pytest.mark.parametrize("block", ["io", "capability", "backoff", "quarantine"])
def test_what_is_blocked_is_not_chosen(block):
    choice = choose(Chooser(make_family(), MaximizeAccuracy()), 1000.0, "tiny", blocked={"full": block})
    assert choice.target == "quantized" and choice.verdicts[0][1:4] == (True, False, block)


@pytest.mark.parametrize(("sensor", "reading"), [("heat", 80.0), ("battery", 10.0)])
def test_heat_and_battery_leave_variants_of_low_power(sensor, reading):
    limits = Limits(heat_above_c=80.0, battery_below_pct=10.0)
    choice = choose(Chooser(make_family(), MaximizeAccuracy(), limits=limits), 1000.0, **{sensor: reading})
    assert (choice.rule, choice.target) == ("forced", "tiny")
    assert choice.verdicts[0].constraint == sensor
    assert choose(Chooser(make_family(), MaximizeAccuracy(), limits=limits), 1000.0).rule == "same"


def test_nothing_fits_so_the_smallest_that_can_be_loaded():
    choice = choose(Chooser(make_family(), MaximizeAccuracy(), limits=Limits(400.0)), 100.0)
    assert (choice.rule, choice.target, choice.fallback) == ("forced", "tiny", True)
    held = choose(Chooser(make_family(), MaximizeAccuracy(), limits=Limits(400.0)), 10.0)
    assert (held.rule, held.target) == ("same", None)  # not even the smallest can be loaded


def test_a_name_outside_is_a_hold_unless_what_runs_does_not_fit():
    chooser = Chooser(make_family(), lambda state, family: "nobody")
    assert choose(chooser, 500.0)[:3] == ("full", "outside", None)
    assert chooser.guard.counters["outside"] == 1
    assert choose(chooser, 50.0)[:4] == ("tiny", "forced", "tiny", True)


def test_a_decision_explains_itself():
    chooser = Chooser(make_family(), MinimizePower(min_accuracy_floor=0.8))
    told = chooser.explain(choose(chooser, 500.0))
    assert (told["recommended"], told["rule"], told["mode"]) == ("quantized", "swap", "fixed")
    assert told["verdicts"][0]["unit"] == "MB" and told["scores"] == {"full": -2.0, "quantized": -1.0, "tiny": 0.0}


def test_a_benchmark_changes_the_next_decision():
    family = make_family()
    chooser = Chooser(family, MaximizeAccuracy(latency_ceiling_ms=130.0))
    assert choose(chooser, 500.0).rule == "same"
    family.set_latency("full", 140.0)
    assert choose(chooser, 500.0)[:2] == ("quantized", "forced")


def test_two_policies_are_refused():
    policy = MaximizeAccuracy()
    with pytest.raises(ValueError, match="another policy"):
        Chooser(make_family(), MinimizePower(), StabilityGuard(policy))
    assert Chooser(make_family(), policy, StabilityGuard(policy)).policy is policy
    with pytest.raises(ValueError, match="no policy"):
        Chooser(make_family())
    with pytest.raises(ValueError, match="must be positive"):
        Chooser(make_family(), policy, limits=Limits(0.0))
