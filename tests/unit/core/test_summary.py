import json

import numpy as np
import pytest
from edgeproof.core.summary import PERCENTILES, summarise_process, summarise_run
from hypothesis import given
from hypothesis import strategies as st


def run_of(processes, samples, seed=0, level_sd=0.003):
    generator = np.random.default_rng(seed)
    levels = generator.normal(0, level_sd, processes)
    return [(1e6 * np.exp(level + generator.normal(0, 0.02, samples))).astype(np.int64) for level in levels]


@given(st.lists(st.integers(1, 10**10), min_size=2, max_size=50))
def test_summarise_process_equals_numpy(samples):
    summary = summarise_process(samples)
    assert summary["sample_count"] == len(samples)
    assert summary["median_ns"] == pytest.approx(np.median(samples), rel=1e-12)
    assert summary["minimum_ns"] == min(samples)
    assert summary["mean_ns"] == pytest.approx(np.mean(samples), rel=1e-12)
    assert summary["sd_ns"] == pytest.approx(np.std(samples, ddof=1), rel=1e-12)


def test_one_sample_has_no_spread_and_what_is_no_latency_is_refused():
    assert summarise_process([5])["sd_ns"] is None
    for wrong in ([], [0, 1], [-1], [[1, 2]]):
        with pytest.raises(ValueError):
            summarise_process(wrong)
    with pytest.raises(ValueError):
        summarise_run([])
    with pytest.raises(ValueError):
        summarise_run([[]])


def test_the_value_of_a_process_is_the_mean_over_inputs_of_their_medians():
    samples = np.array([10, 100, 12, 104, 11, 90, 13])  # inputs 0 and 1 in turn
    assert summarise_process(samples, inputs=2)["median_ns"] == pytest.approx((11.5 + 100) / 2)
    assert summarise_process(samples[:1], inputs=2)["median_ns"] == 10


def test_summarise_run_is_json_and_has_units():
    processes = run_of(10, 1024)
    summary = summarise_run([processes], inferences_per_sample=4)
    json.dumps(summary, allow_nan=False)
    medians = [np.median(samples) for samples in processes]
    latency = summary["latency"]
    assert latency["median_ms"] == pytest.approx(np.exp(np.mean(np.log(medians))) / 1e6)
    assert latency["interval_low_ms"] < latency["median_ms"] < latency["interval_high_ms"]
    assert (latency["basis"], latency["noisy"]) == ("session", False)
    assert summary["throughput_per_s"] == pytest.approx(4 * 10_240 / (np.concatenate(processes).sum() / 1e9))
    assert (summary["process_count"], summary["sample_count"]) == (10, 10_240)
    assert [process["median_ns"] for process in summary["processes"]] == medians
    entries = [summary["percentiles"][name] for name in PERCENTILES]
    values = [entry["value_ms"] for entry in entries if entry["value_ms"] is not None]
    assert values == sorted(values)
    assert len(values) >= 5
    assert all((entry["low_ms"] is None) == (entry["reason"] is not None) for entry in entries)


def test_percentiles_below_their_floor_are_withheld_and_say_what_they_need():
    percentiles = summarise_run([run_of(5, 100)])["percentiles"]
    assert percentiles["p97"]["value_ms"] is not None
    assert percentiles["p99"]["value_ms"] is None
    assert percentiles["p99"]["floor_samples"] == 662
    assert percentiles["p99"]["reason"] == "500 calls are fewer than the 662 that it needs"


def test_processes_that_disagree_withhold_nothing():
    processes = run_of(5, 1000)
    processes[2] = processes[2] * 12 // 10
    summary = summarise_run([processes])
    assert summary["latency"]["noisy"] is True
    assert summary["percentiles"]["p50"]["value_ms"] is not None


def test_one_process_is_recorded_without_an_interval():
    summary = summarise_run([run_of(1, 300)])
    assert summary["latency"]["interval_low_ms"] is None
    assert summary["latency"]["noisy"] is None
    json.dumps(summary, allow_nan=False)


def test_processes_may_differ_in_length():
    processes = [samples[: 500 + 7 * index] for index, samples in enumerate(run_of(5, 600))]
    summary = summarise_run([processes], inputs=16)
    assert [process["sample_count"] for process in summary["processes"]] == [500, 507, 514, 521, 528]
    assert len(summary["inputs"]["levels_ms"]) == 16


def test_sessions_are_in_their_order():
    summary = summarise_run([run_of(3, 50, seed=seed) for seed in range(2)])
    assert [process["session"] for process in summary["processes"]] == [0, 0, 0, 1, 1, 1]
    assert [session["processes"] for session in summary["sessions"]] == [3, 3]
    assert summary["latency"]["basis"] == "two sessions"
