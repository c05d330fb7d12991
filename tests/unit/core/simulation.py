"""Simulated processes with known truth, for tests and benchmarks of the statistics.

A process has a level (log scale) that it keeps, and samples around it. What differs between scenarios is how levels are
distributed over processes, what both processes of a pair share, and how samples of a process depend on each other.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scenario:
    """All spreads on the log scale. `level`: distribution of levels over processes, with standard deviation `level_sd`.

    `session_sd`: step of a random walk over pairs that both arms share, `session_slope`: growth per process slot.
    `sample_sd`: spread of samples in a process, `sample_tail`: distribution of that spread, `autocorrelation`: between
    neighbouring samples (AR(1)), `process_drift`: growth from the first to the last sample of a process.
    """

    name: str
    level: str = "normal"
    level_sd: float = 0.01
    session_sd: float = 0.0
    session_slope: float = 0.0
    sample_sd: float = 0.03
    sample_tail: str = "normal"
    autocorrelation: float = 0.0
    process_drift: float = 0.0


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("quiet", level_sd=0.005),
        Scenario("between-process shifts", level_sd=0.03),
        Scenario("heavy-tailed samples", sample_tail="heavy"),
        Scenario("autocorrelated samples", autocorrelation=0.97, sample_sd=0.05),
        Scenario("drift in processes", process_drift=0.1),
        Scenario("drifting session", session_sd=0.01, session_slope=0.002),
        Scenario("heavy-tailed levels", level="heavy", level_sd=0.02),
        Scenario("bimodal levels", level="bimodal", level_sd=0.03),
        Scenario("skewed levels", level="skewed", level_sd=0.03),
    )
}


def simulate_levels(generator, scenario, shape):
    """Return log levels of processes, mean 0 and standard deviation `level_sd` (heavy tails: t with 3 dof)."""
    if scenario.level == "normal":
        unit = generator.standard_normal(shape)
    elif scenario.level == "heavy":
        unit = generator.standard_t(3, shape) / np.sqrt(3)
    elif scenario.level == "bimodal":  # three in ten processes fall into the slow mode
        unit = ((generator.random(shape) < 0.3) - 0.3) / np.sqrt(0.21)
        unit = 0.95 * unit + np.sqrt(1 - 0.95**2) * generator.standard_normal(shape)
    elif scenario.level == "skewed":
        unit = generator.exponential(1, shape) - 1
    else:
        raise ValueError(f"no such distribution of levels: {scenario.level}")
    return scenario.level_sd * unit


def simulate_samples(generator, scenario, levels, count):
    """Return latencies in ms, shape (*levels.shape, count), float32: exp(level + samples around it)."""
    shape = (*levels.shape, count)
    noise = generator.standard_normal(shape, dtype=np.float32)
    if scenario.autocorrelation:
        noise[..., 1:] *= np.float32(np.sqrt(1 - scenario.autocorrelation**2))
        for index in range(1, count):
            noise[..., index] += np.float32(scenario.autocorrelation) * noise[..., index - 1]
    if scenario.sample_tail == "heavy":  # one sample in twenty is an outlier of several times the latency
        noise += (generator.random(shape, dtype=np.float32) < 0.05) * generator.exponential(20, shape).astype(
            np.float32
        )
    noise *= np.float32(scenario.sample_sd)
    noise += np.linspace(0, scenario.process_drift, count, dtype=np.float32)
    noise += levels[..., None].astype(np.float32)
    return np.exp(noise, out=noise)


def simulate_medians(generator, scenario, shape, count=200):
    """Return medians of processes of `count` samples, of the given shape, in ms."""
    return np.median(simulate_samples(generator, scenario, simulate_levels(generator, scenario, shape), count), axis=-1)


def simulate_pairs(generator, scenario, trials, pairs, ratio=1.0, count=200):
    """Return (left, right), each of shape (trials, pairs): process medians of interleaved pairs in random order.

    The right arm takes `ratio` times as long as the left one; both are drawn from the same scenario otherwise.
    """
    medians = simulate_medians(generator, scenario, (trials, pairs, 2), count)
    if scenario.session_sd or scenario.session_slope:
        walk = np.cumsum(generator.normal(0, scenario.session_sd, (trials, 2 * pairs)), axis=1)
        slots = (walk + scenario.session_slope * np.arange(2 * pairs)).reshape(trials, pairs, 2)
        medians = medians * np.exp(slots)
    right_slot = generator.integers(0, 2, (trials, pairs, 1))
    right = np.take_along_axis(medians, right_slot, axis=2)[..., 0]
    left = np.take_along_axis(medians, 1 - right_slot, axis=2)[..., 0]
    return left, right * ratio
