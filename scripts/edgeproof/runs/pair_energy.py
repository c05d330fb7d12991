"""The energy of measured pairs: what each arm took per inference, inside its own blocks or processes, with a bound.

The energies of a pair are from the same seconds as its times, and from one sampler. The alternated blocks of an arm are
added up, their untimed calls included: idle power is in both arms (gross energy).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.reader import read_once

from .attempt_remedies import name_remedy
from .energy import Energy, PowerTrace, add_energies, find_refusal, integrate_power
from .pair_records import Window, list_windows
from .pair_tables import read_session_at
from .telemetry_files import Telemetry, path_in_attempt, read_telemetry

_LEAST_BLOCKS = 0.5  # the share of a pair's block pairs of which the sampler must have said something


class ArmEnergy(NamedTuple):
    """Joules per inference of one process of a pair, and the bound of their relative error."""

    joules: float
    error: float


class PairEnergy(NamedTuple):
    """Both arms of one pair."""

    left: ArmEnergy
    right: ArmEnergy

    @property
    def log_ratio(self) -> float:
        """The logarithm of the ratio of the pair's energies, right / left."""
        return math.log(self.right.joules / self.left.joules)

    @property
    def bound(self) -> float:
        """The bound of the error of `log_ratio`, the pair's energy ratio: the budgets of both sides."""
        return -math.log1p(-self.left.error) - math.log1p(-self.right.error)


class SessionEnergy(NamedTuple):
    """The energies of a session's pairs, in order. `power`: what the sampler's power is of: boundary, rails, kind."""

    sampler: str
    power: Json
    pairs: tuple[PairEnergy, ...]


@read_once
def read_energy_at(folder: str) -> SessionEnergy | str | None:
    """Return the energies of the session of pairs in an attempt's folder, or why there are none.

    They are by its first sampler that gives them all.

    None where nothing watched the session, or it ended before its samplers could say what they were. UserError where
    its telemetry was changed.
    """
    session = read_session_at(folder)
    watched = session.record.get("telemetry")
    if not watched:
        return None
    path = path_in_attempt(session.attempt.folder)
    if not path.is_file() or sha256_file(path) != session.attempt.record["facts"].get("telemetry"):
        raise UserError(f"{path}: is missing or was changed; energy cannot be computed again{name_remedy(path)}")
    telemetry, windows = read_telemetry(path), [list_windows(pair) for pair in session.pairs]
    reasons: list[str] = []
    for sampler in watched["samplers"]:
        if sampler["power"] is None:
            reasons.append(f"{sampler['id']}: {sampler['reason'] or 'it gives no power'}")
            continue
        found = _measure_all(telemetry, sampler, windows)
        if not isinstance(found, str):
            power = {name: sampler["power"][name] for name in ("boundary", "rails", "kind")}
            return SessionEnergy(sampler["id"], power, found)
        reasons.append(f"{sampler['id']}: {found}")
    return "; ".join(reasons)


def _measure_all(
    telemetry: Telemetry, sampler: Json, windows: Sequence[tuple[list[Window], list[Window]]]
) -> tuple[PairEnergy, ...] | str:
    channel = sampler["power"]["channel"]
    series = telemetry.get((sampler["id"], channel))
    if series is None:
        return sampler["reason"] or "no sample of its power"
    counter = channel == "total_j"
    trace = PowerTrace(series.times_ns, series.values, counter, sampler["quantum"], sampler["lag_s"])
    found: list[PairEnergy] = []
    for number, (left, right) in enumerate(windows):
        energy = _measure_pair(trace, left, right)
        if isinstance(energy, str):
            return f"pair {number}: {energy}"
        found.append(energy)
    return tuple(found)


def _measure_pair(trace: PowerTrace, left: list[Window], right: list[Window]) -> PairEnergy | str:
    """Return both energies of a pair; a block pair of which the sampler missed a side counts on neither."""
    near = _cut(trace, min(left[0].start_ns, right[0].start_ns), max(left[-1].stop_ns, right[-1].stop_ns))
    found = [[integrate_power(near, *window[:2]) for window in windows] for windows in (left, right)]
    kept = [
        place
        for place, sides in enumerate(zip(*found, strict=True))
        if all(isinstance(energy, Energy) for energy in sides)
    ]
    if len(kept) < max(1.0, _LEAST_BLOCKS * len(left)):
        return next(energy for sides in found for energy in sides if isinstance(energy, str))
    arms: list[ArmEnergy] = []
    for windows, energies in zip((left, right), found, strict=True):
        total = add_energies([energy for place in kept if isinstance(energy := energies[place], Energy)])
        if refusal := find_refusal(total):
            return refusal
        inferences = sum(windows[place].inferences for place in kept)
        arms.append(ArmEnergy(total.joules / inferences, total.budget.total))
    return PairEnergy(*arms)


def _cut(trace: PowerTrace, start_ns: int, stop_ns: int) -> PowerTrace:
    """Return a trace without what is far from a stretch, so that many pairs cost no more than their own samples."""
    far = 2 * (stop_ns - start_ns)
    places = slice(*np.searchsorted(trace.times_ns, (start_ns - far, stop_ns + far)))
    return trace._replace(times_ns=trace.times_ns[places], values=trace.values[places])
