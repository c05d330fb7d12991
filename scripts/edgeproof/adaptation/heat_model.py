"""How a device's heat follows its load: a model of first order, fitted on one half of a trace, tried on the other.

dT/dt = (T₀ + g·u − T) / τ with the load u in percent. It is linear, so a change of the load by Δu changes the heat by a
ΔT that follows dΔT/dt = (g·Δu − ΔT) / τ whatever else goes on.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from edgeproof.core.configuration import Json

from .traces import Moment

_LEAST = 20  # moments in each half
_LONGEST_TAU_S = 1e5


class HeatModel(NamedTuple):
    """`tau_s`: seconds to settle. `gain`: °C per percent of load. `rest_c`: heat without load.

    `error_rms_c`, `error_max_c`: of the model run freely over the half that it was not fitted on, from the first
    temperature of that half.
    """

    tau_s: float
    gain: float
    rest_c: float
    error_rms_c: float
    error_max_c: float

    def advance(self, added_c: float, added_load_pct: float, seconds: float) -> float:
        """Return what a changed load adds to the heat after some seconds, from what it had added before (°C)."""
        target = self.gain * added_load_pct
        return target + (added_c - target) * math.exp(-seconds / self.tau_s)


def fit_heat(moments: Iterable[Moment]) -> tuple[HeatModel | None, str]:
    """Return (model, "") or (None, why there is none): no temperatures, too few, or a heat that the load does not move.

    The first half of the moments is fitted by least squares, the second predicted.
    """
    rows = []
    for moment in moments:
        if moment.heat_c is None:
            return None, "the trace has no temperatures throughout"
        rows.append((moment.at_s, moment.recorded_load_pct, moment.heat_c))
    if len(rows) < 2 * _LEAST:
        return None, f"the trace has {len(rows)} moments, {2 * _LEAST} are needed"
    times, loads, heats = np.array(rows).T
    half = len(rows) // 2
    steps = np.diff(times)
    slopes = np.diff(heats) / steps
    design = np.column_stack([heats[:-1], loads[1:], np.ones(len(steps))])[: half - 1]
    (pull, push, level), *_ = np.linalg.lstsq(design, slopes[: half - 1], rcond=None)
    if pull >= 0 or push <= 0 or -1 / pull > _LONGEST_TAU_S:
        return None, "in the first half of the trace the heat does not follow the load"
    tau, gain, rest = -1 / pull, -push / pull, -level / pull
    predicted = np.empty(len(rows) - half)
    predicted[0] = heats[half]
    for number in range(1, len(predicted)):
        target = rest + gain * loads[half + number]
        predicted[number] = target + (predicted[number - 1] - target) * np.exp(-steps[half + number - 1] / tau)
    error = predicted - heats[half:]
    rms, worst = float(np.sqrt(np.mean(error**2))), float(np.abs(error).max())
    return HeatModel(float(tau), float(gain), float(rest), rms, worst), ""


def describe_heat(model: HeatModel | None, reason: str) -> Json:
    """Return what a summary says of the heat model: its numbers, or why there is none."""
    if model is None:
        return {"model": None, "reason": reason}
    return {"model": {name: round(value, 6) for name, value in model._asdict().items()}, "reason": None}
