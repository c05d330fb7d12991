"""How the recipes train: AdamW on one thread, a step size along half a cosine, and the mean of the last epochs.

The mean of the parameters over the last epochs generalises better than the last ones (Izmailov et al. 2018, "Averaging
weights leads to wider optima and better generalization").
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

Parameters = dict[str, np.ndarray]


class Schedule(NamedTuple):
    """How long and how fast to train. `decay`: of weights, per unit of step size; `averaged`: share of the epochs."""

    epochs: int
    batch: int
    rate: float
    decay: float
    averaged: float


def train_parameters(
    parameters: Parameters,
    count: int,
    generator: np.random.Generator,
    schedule: Schedule,
    compute_gradients: Callable[[Parameters, np.ndarray], Parameters],
) -> Parameters:
    """Train `parameters` in place on `count` samples, and return their mean over the last epochs, in float64.

    Every epoch shows each sample once, in an order that `generator` draws. `compute_gradients(parameters, batch)` gets
    the numbers of the samples of one batch.
    """
    state: dict[str, Any] = {}
    averaged_from = schedule.epochs - max(1, round(schedule.epochs * schedule.averaged))
    total = {name: np.zeros(value.shape, np.float64) for name, value in parameters.items()}
    with threadpool_limits(limits=1):
        for epoch in range(schedule.epochs):
            order = generator.permutation(count)
            for start in range(0, count, schedule.batch):
                passed = (epoch + start / count) / schedule.epochs
                rate = schedule.rate * 0.5 * (1 + math.cos(math.pi * passed))
                gradients = compute_gradients(parameters, order[start : start + schedule.batch])
                update_adam(parameters, gradients, state, rate, schedule.decay)
            if epoch >= averaged_from:
                for name, value in parameters.items():
                    total[name] += value
    return {name: value / (schedule.epochs - averaged_from) for name, value in total.items()}


def update_adam(
    parameters: Parameters,
    gradients: Parameters,
    state: dict[str, Any],
    rate: float,
    decay: float,
) -> None:
    """Train `parameters` in place by one step of AdamW (Loshchilov and Hutter 2019); `state` starts empty."""
    state["step"] = step = state.get("step", 0) + 1
    size = rate * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    for name, gradient in gradients.items():
        mean, square = state.setdefault(name, (np.zeros_like(gradient), np.zeros_like(gradient)))
        mean += 0.1 * (gradient - mean)
        square += 0.001 * (gradient * gradient - square)
        if not name.endswith("/bias"):
            parameters[name] *= 1 - rate * decay
        parameters[name] -= size * mean / (np.sqrt(square) + 1e-8)
