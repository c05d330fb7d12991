"""`vcgencmd`: what the firmware of a Raspberry Pi says of throttling, temperature, clock and, on a Pi 5, of its PMIC.

Bits 0 to 3 of `get_throttled` hold now. Bits 16 to 19 stay set since boot, so only those that are new count.
"""

from __future__ import annotations

import re
import subprocess
from typing import Dict, Iterable, Optional, Tuple

from ..sampling_rates import INTERVALS_MS
from .sampler import PolledSampler, Unavailable, name_all

_NOW = 0xF
_SINCE_BOOT = 0xF0000
_HARD_LIMIT_C = 85.0  # from here on the firmware always throttles
_ADC = re.compile(r"^\s*(\S+)_([AV]) (?:current|volt)\(\d+\)=([0-9.]+)[AV]$")


class Vcgencmd(PolledSampler):
    """Throttling, temperature and clock; on a board that has `pmic_read_adc` also its power, without what USB takes."""

    name = "vcgencmd"
    interval_ms = INTERVALS_MS["vcgencmd"]
    lag_s = 0.05

    def _find_sources(self) -> None:
        self._command = self._options.get("command", ["vcgencmd"])
        try:
            first = self._run_tool("get_throttled")
        except FileNotFoundError:
            raise Unavailable(
                "{} is not installed; run: sudo apt install raspi-utils".format(self._command[0])
            ) from None
        self._before = parse_throttled(first)
        if self._before is None:
            raise Unavailable("{} get_throttled said {!r}".format(self._command[0], first[:80]))
        rails = parse_adc(self._run_tool("pmic_read_adc"))
        asked = self._options.get("rails")
        if asked and not set(asked) <= set(rails):
            raise Unavailable(
                "no rail {}; there are {}".format(name_all(sorted(set(asked) - set(rails))), name_all(sorted(rails)))
            )
        self._total = asked or sorted(rails)
        if self._total:
            self._claim_power(self._total, "partial", "board")

    def _read_values(self) -> Iterable[Tuple[str, float]]:
        bits = parse_throttled(self._run_tool("get_throttled"))
        heat = re.match(r"temp=([0-9.]+)'C$", self._run_tool("measure_temp"))
        clock = re.match(r"frequency\(\d+\)=(\d+)$", self._run_tool("measure_clock", "arm"))
        if heat:
            yield "temperature_c:soc", float(heat[1])
        if clock:
            yield "clock_mhz:arm", int(clock[1]) / 1e6
        if bits is not None and self._before is not None:
            yield "throttled:now", float(bool(bits & _NOW))
            yield "throttled:new", float(bool(bits & _SINCE_BOOT & ~self._before))
            if bits == 0 and heat and float(heat[1]) >= _HARD_LIMIT_C:
                self._notes.append(
                    "get_throttled said 0x0 at {}°C, where the firmware always throttles: this kernel or firmware does "
                    "not report it".format(heat[1])
                )
        if self._total:
            rails = parse_adc(self._run_tool("pmic_read_adc"))
            if set(self._total) <= set(rails):
                yield "total_w", sum(rails[name] for name in self._total)
            for name, watts in rails.items():
                yield "rail_w:" + name, watts

    def _run_tool(self, *words: str) -> str:
        done = subprocess.run(
            [*self._command, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=10, check=False
        )
        text = done.stdout.decode("utf-8", "replace").strip()
        self._said.append(" ".join(words).encode() + b"=" + text.replace("\n", " | ").replace("\t", " ").encode())
        return text


def parse_throttled(text: str) -> Optional[int]:
    """Return the bits that `vcgencmd get_throttled` says, as in `throttled=0x50000`; None for any other text."""
    match = re.match(r"throttled=0x([0-9a-fA-F]{1,8})$", text)
    return int(match[1], 16) if match else None


def parse_adc(text: str) -> Dict[str, float]:
    """Return {rail: watts} of the rails of `vcgencmd pmic_read_adc` that have both a current and a voltage."""
    found: Dict[str, Dict[str, float]] = {}
    for line in text.splitlines():
        match = _ADC.match(line)
        if match and match[3].count(".") <= 1 and match[3] != ".":
            found.setdefault(match[1], {})[match[2]] = float(match[3])
    return {name: pair["A"] * pair["V"] for name, pair in found.items() if len(pair) == 2}
