import math

import numpy as np
import pytest
from edgeproof.core.modes import ProcessLevels, bound_rare_starts, find_levels, find_modes, find_unseen_levels

STEP = math.log(1.25)


def processes(pairs, left_slow=(), right_slow=(), effect=0.0, shared=None, seed=1):
    """Return both arms and the pairs' values: noise of 0.3 %, slow starts 25 % slower, a level that both arms share."""
    rng = np.random.default_rng(seed)
    left, right = 0.003 * rng.standard_normal((2, pairs))
    left[list(left_slow)] += STEP
    right[list(right_slow)] += STEP
    right += effect
    common = np.zeros(pairs) if shared is None else shared
    errors = np.full(pairs, 0.002)
    return ProcessLevels(left + common, errors), ProcessLevels(right + common, errors), right - left


@pytest.mark.parametrize(("starts", "share"), [(4, 0.527), (10, 0.259), (60, 0.0487)])
def test_what_a_number_of_starts_may_miss(starts, share):
    assert bound_rare_starts(starts) == pytest.approx(share, abs=1e-3)
    assert (1 - bound_rare_starts(starts)) ** starts == pytest.approx(0.05)


def test_no_starts_say_nothing():
    with pytest.raises(ValueError):
        bound_rare_starts(0)


def test_two_levels_are_shown_with_their_shares():
    modes = find_levels(np.log([1.0, 1.01, 1.25, 0.99, 1.26, 1.0]), np.full(6, 0.002), 0.02)
    assert [mode.starts for mode in modes] == [4, 2]
    assert [mode.level for mode in modes] == pytest.approx([1.0, 1.255], abs=1e-3)
    assert modes[1].share == pytest.approx(1 / 3)


def test_a_gap_needs_two_starts_on_each_side_the_margin_and_five_errors():
    logs = np.log([1.0, 1.01, 1.25, 0.99, 1.0, 1.0])
    assert len(find_levels(logs, np.full(6, 0.002), 0.02)) == 1
    logs[3] = math.log(1.26)
    assert len(find_levels(logs, np.full(6, 0.002), 0.02)) == 2
    assert len(find_levels(logs, np.full(6, 0.05), 0.02)) == 1
    assert len(find_levels(logs, np.full(6, 0.002), 0.3)) == 1


def test_modes_of_one_arm():
    left, right, logs = processes(12, right_slow=(2, 7, 9), effect=0.05)
    modes = find_modes(left, right, logs, 0.02)
    assert [len(modes.left), [mode.starts for mode in modes.right]] == [1, [9, 3]]
    assert sorted(modes.log_ratios) == pytest.approx([0.05, 0.05 + STEP], abs=0.01)
    assert modes.support("slower", 0.02) and not modes.support("equivalent", 0.02)
    assert not modes.support("slower", 0.06)


def test_levels_that_never_met_count_too():
    left, right, logs = processes(12, left_slow=(0, 1, 2), right_slow=(5, 6, 7))
    modes = find_modes(left, right, logs, 0.02)
    assert sorted(modes.log_ratios) == pytest.approx([-STEP, 0, 0, STEP], abs=0.01)
    assert not any(modes.support(claim, 0.02) for claim in ("faster", "slower", "equivalent"))


def test_what_both_processes_of_a_pair_share_is_no_mode():
    shared = np.repeat([0.0, 0.2], 8)  # another day, on which the machine is slower
    left, right, logs = processes(16, effect=0.0, shared=shared)
    assert len(find_levels(left.logs, left.errors, 0.02)) == 2
    modes = find_modes(left, right, logs, 0.02)
    assert not modes.seen and modes.support("equivalent", 0.02)
    left, right, logs = processes(16, right_slow=(1, 4, 11), shared=0.3 * shared)
    assert [mode.starts for mode in find_modes(left, right, logs, 0.02).right] == [13, 3]


def test_three_levels():
    left, right, logs = processes(15, right_slow=(0, 1, 2))
    right.logs[[5, 6]] -= STEP
    logs[[5, 6]] -= STEP
    modes = find_modes(left, right, logs, 0.02)
    assert [mode.starts for mode in modes.right] == [2, 10, 3]
    assert modes.log_ratios == pytest.approx([-STEP, 0, STEP], abs=0.01)


def test_arrays_that_do_not_belong_together():
    with pytest.raises(ValueError, match="belong together"):
        find_levels([0.1, 0.2], [0.1], 0.02)


def unseen(levels, others, error=0.002, margin=0.05):
    found = find_unseen_levels([np.log(level) for level in levels], np.log(others), np.full(len(others), error), margin)
    return [(round(mode.level, 3), mode.starts, round(mode.share, 2)) for mode in found]


def test_a_level_that_other_starts_do_not_show_is_unseen():
    alone, pairs = [[0.183, 0.183], [0.193], [0.3203, 0.3203]], [0.334, 0.335, 0.335, 0.336]
    assert unseen(alone, pairs) == [(0.183, 2, 0.4), (0.193, 1, 0.2)]
    assert unseen(alone, [*pairs, 0.19]) == []
    assert unseen([[0.183, 0.183, 0.19], [0.3203]], pairs) == [(0.185, 3, 0.75)]  # no gap within


def test_a_level_is_unseen_only_with_two_starts_the_margin_and_five_errors():
    assert unseen([[0.1], [0.2, 0.2]], [0.2, 0.2]) == []
    assert unseen([[0.1, 0.1], [0.2]], [0.2, 0.2]) == [(0.1, 2, 0.67)]
    assert unseen([[0.1, 0.1], [0.2]], [0.2, 0.2], error=0.2) == []
    assert unseen([[0.1, 0.1]], [0.104, 0.104]) == []
