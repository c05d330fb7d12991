"""Policies: the contract's golden values in their seed form, and ties, floors and scores of the corrected one."""

import pytest
from edgeproof.runtime.device_state import DeviceState
from edgeproof.runtime.selection import (
    Balanced,
    BasePolicy,
    LambdaPolicy,
    MaximizeAccuracy,
    MinimizePower,
    Preference,
    as_policy,
)
from edgeproof.runtime.variants import VariantMetadata

from ..adaptation.families_for_tests import make_family

GOLDEN = [
    (200, 500, "full", {"full": 0.646667, "quantized": 0.800833, "tiny": 0.8475}),
    (200, 100, "quantized", {"quantized": 0.800833, "tiny": 0.8475}),
    (200, 50, "tiny", {"tiny": 0.8475}),
    (50, 500, "quantized", {"quantized": 0.598333, "tiny": 0.78}),
    (200, 10, "full", {}),
]


@pytest.mark.parametrize(("ceiling", "ram", "accurate", "scores"), GOLDEN)
def test_golden_values_of_the_contract(ceiling, ram, accurate, scores):
    state, family = DeviceState(float(ram)), make_family()
    name, why = MaximizeAccuracy(latency_ceiling_ms=ceiling).select_with_explanation(state, family)
    assert name == accurate and set(why) == {"policy", "latency_ceiling_ms", "ranked_variants", "note"}
    assert [row["name"] for row in why["ranked_variants"]] == ["full", "quantized", "tiny"]
    name, why = MinimizePower(min_accuracy_floor=0.8).select_with_explanation(state, family)
    assert name == "quantized" and why["candidates_ordered"] == ["quantized", "full"]
    name, why = Balanced(latency_ceiling_ms=ceiling).select_with_explanation(state, family)
    assert name == ("tiny" if scores else "full")
    assert why["composite_scores"] == pytest.approx(scores, abs=1e-6)
    assert why["weights"] == {"acc": 0.5, "lat": 0.3, "pwr": 0.2}


def test_limits_are_inclusive():
    assert MaximizeAccuracy(latency_ceiling_ms=120).select(DeviceState(250.0), make_family()) == "full"


def test_a_floor_that_nobody_meets_is_no_floor():
    assert MinimizePower(min_accuracy_floor=0.99).select(DeviceState(1.0), make_family()) == "tiny"


@pytest.mark.parametrize(
    "make",
    [
        lambda: Balanced(latency_ceiling_ms=0),
        lambda: Balanced(latency_ceiling_ms=1, w_acc=0, w_lat=0, w_pwr=0),
        lambda: MinimizePower(min_accuracy_floor=1.1),
    ],
)
def test_nonsense_is_refused(make):
    with pytest.raises(ValueError):
        make()


def test_callables_are_policies():
    name, why = as_policy(lambda state, family: "tiny").select_with_explanation(DeviceState(1.0), make_family())
    assert (name, why) == ("tiny", {"policy": "LambdaPolicy", "callable": "<lambda>"})
    assert isinstance(as_policy(len), LambdaPolicy)
    with pytest.raises(TypeError):
        as_policy("accurate")


def prefer(policy, metadata):
    family = make_family({name: tuple(item[:4]) for name, item in metadata.items()})
    family.variants = {name: item._replace(metadata=metadata[name]) for name, item in family.variants.items()}
    return Preference(policy, family)


def test_an_undecided_difference_is_a_tie_and_the_incumbent_wins_it():
    known = {
        "best": VariantMetadata(10, 10, 0.90, "high", accuracy_interval=(0.88, 0.92), load_ms=50.0),
        "near": VariantMetadata(10, 10, 0.89, "low", accuracy_interval=(0.87, 0.91), load_ms=20.0),
        "far": VariantMetadata(10, 10, 0.80, "low", accuracy_interval=(0.78, 0.82), load_ms=1.0),
    }
    preference, every = prefer(MaximizeAccuracy(), known), ("best", "near", "far")
    assert preference.list_ties(every) == ["best", "near"]
    assert preference.choose(every, "near") == "near"
    assert preference.choose(every, "far") == "near"  # loaded sooner than the best
    unknown = {**known, "near": known["near"]._replace(load_ms=None)}
    assert prefer(MaximizeAccuracy(), unknown).choose(every, "far") == "best"


def test_intervals_of_latency_count_for_balanced():
    known = {
        "slow": VariantMetadata(50, 10, 0.9, "low", latency_interval_ms=(30.0, 70.0)),
        "fast": VariantMetadata(40, 10, 0.9, "low", latency_interval_ms=(35.0, 45.0)),
    }
    assert prefer(Balanced(latency_ceiling_ms=100), known).list_ties(("slow", "fast")) == ["fast", "slow"]
    sure = {name: item._replace(latency_interval_ms=None) for name, item in known.items()}
    assert prefer(Balanced(latency_ceiling_ms=100), sure).list_ties(("slow", "fast")) == ["fast"]


def test_measured_energy_ranks_before_a_declared_rank():
    known = {
        "a": VariantMetadata(10, 10, 0.9, "low", energy_j=2.0),
        "b": VariantMetadata(10, 10, 0.9, "high", energy_j=1.0),
    }
    assert prefer(MinimizePower(), known).choose(("a", "b"), "a") == "b"
    partly = {**known, "b": known["b"]._replace(energy_j=None)}
    assert prefer(MinimizePower(), partly).choose(("a", "b"), "b") == "a"


def test_a_variant_below_the_floor_is_left_although_it_takes_less_power():
    known = {"poor": VariantMetadata(10, 10, 0.3, "low"), "good": VariantMetadata(10, 10, 0.9, "high")}
    preference = prefer(MinimizePower(min_accuracy_floor=0.8), known)
    assert preference.choose(("poor", "good"), "poor") == "good"
    assert preference.measure_gain("good", "poor") is None  # no threshold holds it
    assert preference.scale() == {"poor": 0.0, "good": 1.0}


def test_a_policy_of_your_own_needs_select_only():
    class First(BasePolicy):
        def select(self, state, family):
            return next(iter(family.variants))

    assert First().select_with_explanation(DeviceState(1.0), make_family()) == ("full", {"policy": "First"})
    assert not Preference(First(), make_family()).scored
