"""The oracle against a search through all sequences, and that no replay beats it."""

import itertools

import numpy as np
import pytest
from edgeproof.adaptation.oracle import Ledger, find_fitting, measure_worth
from edgeproof.adaptation.trace_replay import Conditions, replay_trace
from edgeproof.runtime.feasibility import Limits
from edgeproof.runtime.selection import MaximizeAccuracy
from edgeproof.runtime.variant_choice import Chooser

from .families_for_tests import make_family, make_moments, make_random_world

FOOTPRINTS = (250.0, 80.0, 20.0)
WORTHS = ((0.92 - 0.74) / 0.18, (0.87 - 0.74) / 0.18, 0.0)


def make_ledger(free, active=None, hot=None):
    count = len(free)
    return Ledger(
        np.ones(count),
        np.array(free, float),
        np.array(active or [0] * count, np.int8),
        np.array(hot or [False] * count),
        np.zeros(count, bool),
    )


def search(free, initial):
    """Return the worth of the best sequence of variants, each reached by swaps whose two variants fit together."""

    def follows(old, new, room):
        reached = {old}
        for _ in FOOTPRINTS:
            reached |= {b for a in reached for b in range(3) if FOOTPRINTS[a] + FOOTPRINTS[b] <= room}
        return new in reached

    best = -1e9
    for sequence in itertools.product(range(3), repeat=len(free)):
        if all(follows(old, new, room) for old, new, room in zip((initial, *sequence), sequence, free, strict=False)):
            worth = sum(
                WORTHS[v] if room - 64 >= FOOTPRINTS[v] else -1.0 for v, room in zip(sequence, free, strict=True)
            )
            best = max(best, worth)
    return best / len(free)


@pytest.mark.parametrize("seed", range(12))
def test_the_oracle_is_the_best_of_all_sequences(seed):
    free = np.random.default_rng(seed).choice([30.0, 100.0, 150.0, 320.0, 400.0, 600.0], 6).tolist()
    worth = measure_worth(Chooser(make_family(), MaximizeAccuracy()), make_ledger(free), "full")
    assert worth.oracle == pytest.approx(search(free, 0))


def test_time_that_does_not_fit_is_counted():
    ledger = make_ledger([600.0, 100.0, 60.0], [0, 0, 2])
    worth = measure_worth(Chooser(make_family(), MaximizeAccuracy()), ledger, "full")
    assert (worth.infeasible_s, worth.achieved) == (2.0, pytest.approx((1 - 1 - 1) / 3))
    assert worth.regret == pytest.approx(worth.oracle - worth.achieved)


def test_heat_and_ceiling_count():
    chooser = Chooser(make_family(), MaximizeAccuracy(latency_ceiling_ms=100.0), limits=Limits(heat_above_c=70.0))
    fits = find_fitting(chooser, make_ledger([600.0, 600.0], hot=[False, True]))
    assert fits.tolist() == [[False, False], [True, False], [True, True]]


def test_a_policy_without_objective_has_no_regret():
    assert measure_worth(Chooser(make_family(), lambda *_: "tiny"), make_ledger([600.0]), "full") is None


def test_no_replay_beats_the_oracle():
    compared = 0
    for seed in range(150):
        chooser, moments, conditions, *_ = make_random_world(seed)
        names = list(chooser.family.variants)
        steps = list(replay_trace(chooser, moments, conditions))
        times = np.array([step.at_s for step in steps])
        ledger = Ledger(
            np.diff(times, append=times[-1]),
            np.array([step.free_mb for step in steps]),
            np.array([names.index(step.active) for step in steps], np.int8),
            np.array([step.hot for step in steps]),
            np.array([step.empty for step in steps]),
        )
        worth = measure_worth(chooser, ledger, conditions.initial)
        if chooser.scale_scores() is not None:
            compared += 1
            assert worth.regret >= -1e-9, seed
    assert compared > 50


def test_a_replay_that_always_fits_has_no_regret():
    chooser = Chooser(make_family(), MaximizeAccuracy())
    steps = list(replay_trace(chooser, make_moments(4000.0, 100), Conditions()))
    worth = measure_worth(chooser, make_ledger([step.free_mb for step in steps]), "full")
    assert (worth.regret, worth.achieved) == (0.0, 1.0)
