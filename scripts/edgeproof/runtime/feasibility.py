"""Which variants fit the device now: memory with the incumbent's own credited, latency, heat and battery.

A variant is *feasible* if it could stay: footprint at most available memory + what the incumbent holds − reserve, and
within all ceilings. It is *loadable* if it can come: both variants are in memory until the old one is let go.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple

from .device_state import DeviceState
from .variants import POWER_RANKS, ModelFamily

# What stands in a verdict, and the unit of its margin.
UNITS = {"memory": "MB", "residency": "MB", "latency": "ms", "heat": "°C", "battery": "%"}


class Limits(NamedTuple):
    """Limits beside a policy's own.

    `ram_reserve_mb`: what must stay free; it has to be positive, or nothing could make a running variant infeasible for
    memory. From `heat_above_c` on, and at a battery of `battery_below_pct` and less that does not charge, only variants
    of at most the power named beside it are feasible. None: no such limit.
    """

    ram_reserve_mb: float = 64.0
    heat_above_c: Optional[float] = None
    heat_power: str = "low"
    battery_below_pct: Optional[float] = None
    battery_power: str = "low"

    def check(self) -> "Limits":
        """Return the limits; ValueError for a reserve that is not positive, or a power that there is not."""
        if not self.ram_reserve_mb > 0:
            raise ValueError(f"ram_reserve_mb is {self.ram_reserve_mb!r}; it must be positive")
        for name in (self.heat_power, self.battery_power):
            if name not in POWER_RANKS:
                raise ValueError(f"power is {name!r}; it is one of {', '.join(POWER_RANKS)}")
        return self

    @property
    def heat_rank(self) -> int:
        """The highest power rank that is feasible when it is hot."""
        return POWER_RANKS[self.heat_power]

    @property
    def battery_rank(self) -> int:
        """The highest power rank that is feasible when the battery is low."""
        return POWER_RANKS[self.battery_power]

    def measure_heat(self, state: DeviceState) -> Optional[float]:
        """Return how far the heat is below its limit (negative or 0) where the limit is reached, else None."""
        limit, heat = self.heat_above_c, state.thermal_zone_c
        return None if limit is None or heat is None or heat < limit else limit - heat

    def measure_battery(self, state: DeviceState) -> Optional[float]:
        """Return how far the charge is above its limit (negative or 0) where the limit is reached, else None."""
        limit, charge = self.battery_below_pct, state.battery_pct
        return None if limit is None or charge is None or state.is_charging or charge > limit else charge - limit


class Verdict(NamedTuple):
    """Whether a variant is feasible and loadable, the constraint that binds, and how far it is from it.

    `margin`: negative if the constraint is broken; its unit stands in UNITS; 0 where the constraint is a block (`io`,
    `capability`, `backoff`, `quarantine`).
    """

    name: str
    feasible: bool
    loadable: bool
    constraint: str
    margin: float


class _Row(NamedTuple):
    """What of a variant does not change: `latency_margin_ms` below the ceiling, None without one."""

    name: str
    footprint_mb: float
    latency_margin_ms: Optional[float]
    power_rank: int


class Feasibility:
    """Judges the variants of one family by fixed limits. `latency_ceiling_ms`: of the policy, None without one."""

    def __init__(self, family: ModelFamily, limits: Limits, latency_ceiling_ms: Optional[float]) -> None:
        self._limits = limits.check()
        self._heat_rank, self._battery_rank = limits.heat_rank, limits.battery_rank
        self._watches = (limits.heat_above_c is not None, limits.battery_below_pct is not None)
        self._rows: List[_Row] = []
        for name, variant in family.variants.items():
            known = variant.metadata
            left = None if latency_ceiling_ms is None else latency_ceiling_ms - known.expected_latency_ms
            self._rows.append(_Row(name, known.memory_footprint_mb, left, known.power_rank))
        self.footprints: Dict[str, float] = {row.name: row.footprint_mb for row in self._rows}

    def meets_ceiling(self, name: str) -> bool:
        """Tell whether a variant is expected to be as fast as the policy asks."""
        return all(
            row.latency_margin_ms is None or row.latency_margin_ms >= 0 for row in self._rows if row.name == name
        )

    def judge(
        self, state: DeviceState, incumbent: str, resident_mb: float, blocked: Mapping[str, str]
    ) -> Tuple[Verdict, ...]:
        """Return a verdict on every variant, in the family's order.

        `resident_mb`: what the incumbent holds, in MiB. `blocked`: {variant: why it may not be loaded}.
        """
        available = state.available_ram_mb
        budget = available + resident_mb - self._limits.ram_reserve_mb
        hot = self._limits.measure_heat(state) if self._watches[0] else None
        empty = self._limits.measure_battery(state) if self._watches[1] else None
        verdicts: List[Verdict] = []
        for name, footprint, latency, rank in self._rows:
            memory, beside = budget - footprint, available - footprint
            if memory < 0:
                verdict = Verdict(name, False, beside >= 0 and name not in blocked, "memory", memory)
            elif latency is not None and latency < 0:
                verdict = Verdict(name, False, beside >= 0 and name not in blocked, "latency", latency)
            elif hot is not None and rank > self._heat_rank:
                verdict = Verdict(name, False, beside >= 0 and name not in blocked, "heat", hot)
            elif empty is not None and rank > self._battery_rank:
                verdict = Verdict(name, False, beside >= 0 and name not in blocked, "battery", empty)
            elif name == incumbent:
                verdict = Verdict(name, True, True, "memory", memory)
            elif name in blocked:
                verdict = Verdict(name, True, False, blocked[name], 0.0)
            elif beside < 0:
                verdict = Verdict(name, True, False, "residency", beside)
            else:
                verdict = Verdict(name, True, True, "memory", memory if memory < beside else beside)
            verdicts.append(verdict)
        return tuple(verdicts)


def judge_as_seed(state: DeviceState, family: ModelFamily, latency_ceiling_ms: Optional[float]) -> Tuple[Verdict, ...]:
    """Judge feasibility as EdgeAdapt 0.1.0, for mode `seed`: a footprint within what is available, and the ceiling.

    The incumbent's own memory is not credited, and nothing is held against a load.
    """
    verdicts: List[Verdict] = []
    for name, variant in family.variants.items():
        memory = state.available_ram_mb - variant.metadata.memory_footprint_mb
        slow = latency_ceiling_ms is not None and variant.metadata.expected_latency_ms > latency_ceiling_ms
        if slow and memory >= 0 and latency_ceiling_ms is not None:
            margin = latency_ceiling_ms - variant.metadata.expected_latency_ms
            verdicts.append(Verdict(name, False, True, "latency", margin))
        else:
            verdicts.append(Verdict(name, memory >= 0 and not slow, True, "memory", memory))
    return tuple(verdicts)
