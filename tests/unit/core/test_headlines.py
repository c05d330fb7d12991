import math

import numpy as np
import pytest
from edgeproof.core.headlines import find_headline_percentiles, summarise_headline
from scipy import stats


def session(level, processes=10, sd=0.01, seed=1):
    return level * np.exp(sd * np.random.default_rng(seed).standard_normal(processes))


def errors(*sessions):
    return [np.full(len(each), 0.002) for each in sessions]


def test_one_session_has_the_interval_of_its_processes():
    values = session(5.0)
    headline = summarise_headline([values], errors(values))
    expected = stats.ttest_1samp(np.log(values), 0).confidence_interval(0.95)
    assert headline.basis == "session"
    assert [headline.interval.low, headline.interval.high] == pytest.approx(np.exp([expected.low, expected.high]))
    assert headline.estimate == pytest.approx(stats.gmean(values))
    assert headline.noisy is False and headline.processes == 10
    assert headline.rare_starts == pytest.approx(0.259, abs=1e-3)


def test_two_sessions_are_both_shown_and_not_pooled():
    values = [session(5.0), session(6.0, seed=2)]
    headline = summarise_headline(values, errors(*values))
    assert headline.basis == "two sessions" and headline.interval is None
    assert [part.interval.estimate for part in headline.sessions] == pytest.approx([stats.gmean(v) for v in values])
    assert headline.noisy is False


def test_three_sessions_are_a_sample_of_sessions():
    values = [session(level, processes, seed=processes) for level, processes in ((5.0, 10), (6.0, 5), (5.5, 20))]
    headline = summarise_headline(values, errors(*values))
    means = [np.log(each).mean() for each in values]
    expected = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert headline.basis == "sessions" and headline.interval.count == 3
    assert [headline.interval.low, headline.interval.high] == pytest.approx(np.exp([expected.low, expected.high]))
    assert headline.noisy is True


def test_noisy_is_a_label_on_the_width():
    values = session(5.0, processes=5, sd=0.1)
    headline = summarise_headline([values], errors(values))
    assert headline.noisy is True and headline.interval is not None
    assert summarise_headline([values], errors(values), width=0.5).noisy is False
    assert summarise_headline([[5.0]], [[0.002]]).noisy is None


def test_two_modes_are_shown_as_two():
    values = np.where(np.arange(10) % 3, 5.0, 6.5) * session(1.0, sd=0.002)
    modes = summarise_headline([values], errors(values)).sessions[0].modes
    assert [mode.starts for mode in modes] == [6, 4]
    assert [mode.level for mode in modes] == pytest.approx([5.0, 6.5], rel=0.01)


def test_sessions_and_errors_belong_together():
    for wrong in (([], []), ([[1.0]], [])):
        with pytest.raises(ValueError):
            summarise_headline(*wrong)
    with pytest.raises(ValueError):
        summarise_headline([[0.0, 1.0]], [[0.1, 0.1]])


def calls(starts, count, seed=1, sd=0.02):
    rng = np.random.default_rng(seed)
    return [np.exp(sd * rng.standard_normal() + 0.03 * rng.standard_normal(count)) for _ in range(starts)]


def test_percentiles_are_those_of_all_calls_and_lie_in_their_interval():
    processes = calls(12, 400)
    percentiles = find_headline_percentiles(processes, (0.5, 0.9, 0.99))
    assert [found.fraction for found in percentiles] == [0.5, 0.9, 0.99]
    for found in percentiles:
        pooled = np.quantile(np.concatenate(processes), found.fraction, method="inverted_cdf")
        assert found.value == pytest.approx(pooled)
        assert found.low < found.value < found.high
        assert found.confidence == (0.9 if found.fraction > 0.9 else 0.95)
        assert (found.starts, found.reason) == (12, None)


def test_the_interval_inverts_the_corrected_t_over_shares():
    processes = calls(10, 300, sd=0.002)
    found = find_headline_percentiles(processes, (0.5,))[0]
    for x, inside in ((found.low, True), (found.high, True), (found.low * 0.997, False), (found.high * 1.003, False)):
        shares = np.array([(each > x).mean() for each in processes])
        n, s, d = 10, shares.std(ddof=1), shares.mean() - 0.5
        third = ((shares - shares.mean()) ** 3).sum() * n / ((n - 1) * (n - 2))
        t = (d + third / (6 * s**2 * n) + third * d**2 / (3 * s**4)) * math.sqrt(n) / s
        assert (abs(t) <= stats.t.ppf(0.975, 9)) == inside


def test_below_ten_starts_there_is_no_interval_and_below_the_floor_no_value():
    found = find_headline_percentiles(calls(9, 400), (0.9, 0.9999))
    assert found[0].value is not None and found[0].low is None and found[0].confidence is None
    assert found[0].reason == "in these 9 starts; an interval needs 10"
    assert found[1].value is None and "3600 calls are fewer than" in found[1].reason
    assert found[0].rare_starts == pytest.approx(1 - 0.05 ** (1 / 9))


def test_every_start_counts_alike_and_ties_are_one_time():
    processes = [np.full(1000, 1.0)] + [np.full(10, 2.0)] * 11
    found = find_headline_percentiles(processes, (0.5,))[0]
    assert found.value == 2.0
    equal = find_headline_percentiles([np.full(100, 3.0)] * 10, (0.5, 0.9))
    assert [(each.low, each.value, each.high) for each in equal] == [(3.0, 3.0, 3.0)] * 2


def test_every_process_needs_times():
    for wrong in ([], [[]], [[[1.0]]]):
        with pytest.raises(ValueError):
            find_headline_percentiles(wrong, (0.5,))


@pytest.mark.parametrize("step", [1, 3_000])
def test_the_interval_is_that_of_a_look_at_every_time(step):
    """Moments are computed where they are looked for; here at all times at once, also where many are equal."""
    rng = np.random.default_rng(step)
    processes = [np.exp(rng.normal(13.8 + level, 0.02, 700)) // step * step for level in rng.normal(0, 0.004, 12)]
    times = np.unique(np.concatenate(processes))
    shares = np.stack([1 - np.searchsorted(np.sort(each), times, side="right") / 700 for each in processes])
    mean, variance = shares.mean(axis=0), np.maximum(shares.var(axis=0, ddof=1), 1e-30)
    third = ((shares - mean) ** 3).sum(axis=0) * 12 / (11 * 10)
    expected = []
    for fraction in (0.5, 0.9, 0.99):
        distance, place = mean - (1 - fraction), int(np.argmax(mean <= 1 - fraction + 1e-12))
        johnson = distance + third / (6 * variance * 12) + third * distance**2 / (3 * variance**2)
        outside = np.abs(johnson) > stats.t.ppf(0.975, 11) * np.sqrt(variance / 12)
        outside[place] = False
        low = np.flatnonzero(outside[:place])[-1] + 1
        high = [*np.flatnonzero(outside[place:]) + place, len(times)][0] - 1
        expected.append((times[place], times[low], times[high]))
    found = find_headline_percentiles(processes, (0.5, 0.9, 0.99))
    assert [(each.value, each.low, each.high) for each in found] == expected
