"""`nvml`: NVIDIA graphics cards through `nvidia-ml-py`, where it is installed.

The energy counter is used where the card has one; it moves about every 10 ms on some cards and every 100 ms on others.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Tuple

from ..sampling_rates import INTERVALS_MS
from .sampler import PolledSampler, Unavailable, name_all

_STEP_J = 1e-3  # of the energy counter
_SLOWDOWNS = 0x0000000000000020 | 0x0000000000000040 | 0x0000000000000080  # software, hardware by heat; power brake


class Nvml(PolledSampler):
    """Power, temperature, clocks, load and memory of every card, or of those that `rails` names (`gpu0`, …)."""

    name = "nvml"
    interval_ms = INTERVALS_MS["nvml"]
    lag_s = 0.1

    def _find_sources(self) -> None:
        try:
            import pynvml  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise Unavailable("nvidia-ml-py is not installed; run: pip install nvidia-ml-py") from None
        library: Any = pynvml
        self._library = library
        try:
            library.nvmlInit()
            count: int = library.nvmlDeviceGetCount()
        except library.NVMLError as error:
            raise Unavailable("the NVIDIA driver does not answer: {}".format(error)) from None
        names = ["gpu{}".format(number) for number in range(count)]
        self._total: List[str] = self._options.get("rails") or names
        if not names or not set(self._total) <= set(names):
            raise Unavailable("no graphics card {}; there are {}".format(name_all(self._total), name_all(names)))
        self._cards: Dict[str, Any] = {n: library.nvmlDeviceGetHandleByIndex(int(n[3:])) for n in self._total}
        self._counts_joules = all(self._ask_card("TotalEnergyConsumption", card) for card in self._cards.values())
        self._begin_mj: Dict[str, int] = {
            name: self._ask_card("TotalEnergyConsumption", card) or 0 for name, card in self._cards.items()
        }
        kind = "measured" if len(self._total) == 1 else "derived"
        self._quantum = _STEP_J * len(self._total) if self._counts_joules else None
        self._claim_power(self._total, kind, "board", "total_j" if self._counts_joules else "total_w")

    def _read_values(self) -> Iterable[Tuple[str, float]]:
        total = 0.0
        for name, card in self._cards.items():
            milliwatts = self._ask_card("PowerUsage", card)
            if self._counts_joules:
                total += (self._ask_card("TotalEnergyConsumption", card) - self._begin_mj[name]) / 1000
            elif milliwatts is None:
                raise OSError("{} says no power".format(name))
            else:
                total += milliwatts / 1000
            if milliwatts is not None:
                yield "rail_w:" + name, milliwatts / 1000
            for channel, value in self._describe_card(name, card):
                if value is not None:
                    yield channel, float(value)
        yield ("total_j" if self._counts_joules else "total_w"), total

    def _describe_card(self, name: str, card: Any) -> Iterable[Tuple[str, Any]]:
        library = self._library
        yield "temperature_c:" + name, self._ask_card("Temperature", card, library.NVML_TEMPERATURE_GPU)
        yield "clock_mhz:" + name, self._ask_card("ClockInfo", card, library.NVML_CLOCK_SM)
        load = self._ask_card("UtilizationRates", card)
        yield "busy_share:" + name, None if load is None else load.gpu / 100
        memory = self._ask_card("MemoryInfo", card)
        yield "memory_bytes:" + name, None if memory is None else memory.used
        reasons = self._ask_card("CurrentClocksThrottleReasons", card)
        yield "throttled:" + name, None if reasons is None else bool(reasons & _SLOWDOWNS)

    def _ask_card(self, what: str, card: Any, *more: Any) -> Any:
        """Return what a card says, None where it does not support the question."""
        try:
            answer = getattr(self._library, "nvmlDeviceGet" + what)(card, *more)
        except self._library.NVMLError:
            return None
        if what in ("PowerUsage", "TotalEnergyConsumption"):
            self._said.append("{}={}".format(what, answer).encode())
        return answer

    def stop(self) -> None:
        """As every sampler; lets go of the driver."""
        super().stop()
        self._library.nvmlShutdown()
