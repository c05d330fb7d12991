"""`hwmon`: power monitors of the INA family through sysfs, on a Jetson the source that resolves time best.

Rails are named by the kernel (`in1_label`, or `rail_name_0` of JetPack 4's own driver). Power is voltage times current
of the same moment, or the power that the chip says itself.
"""

from __future__ import annotations

import glob
import os
from typing import Dict, Iterable, NamedTuple, Optional, Tuple

from ..sampling_rates import INTERVALS_MS
from .rails import find_total
from .sampler import PolledSampler, Unavailable, name_all

_CHIPS = ("ina3221", "ina219", "ina220", "ina226", "ina230", "ina231", "ina233", "ina237", "ina238", "ina260")
_SHUNT_STEP_UV, _BUS_STEP_MV = 40.0, 8.0  # of an INA3221


class _Rail(NamedTuple):
    """One rail. `power`: file and how many of its units are a watt; or `voltage` (mV) and `current` (mA)."""

    name: str
    power: Optional[Tuple[str, float]]
    voltage: str
    current: str
    shunt_uohm: Optional[int]


class Hwmon(PolledSampler):
    """Rails of every INA chip; their total where the rails' names are known, or the options name them."""

    name = "hwmon"
    interval_ms = INTERVALS_MS["hwmon"]

    def _find_sources(self) -> None:
        root = self._options.get("root", "/")
        self._rails = [*self._find_labelled(root), *self._find_jetpack_4(root)]
        if not self._rails:
            raise Unavailable("no power monitor of the INA family below {}".format(os.path.join(root, "sys")))
        for rail in self._rails:
            for path in [rail.power[0]] if rail.power else [rail.voltage, rail.current]:
                if not os.access(path, os.R_OK):
                    raise Unavailable("{}: only root may read it; run: sudo chmod a+r {}".format(path, path))
        names = [rail.name for rail in self._rails]
        asked = self._options.get("rails")
        if asked and not set(asked) <= set(names):
            raise Unavailable(
                "no rail {}; there are {}".format(name_all(sorted(set(asked) - set(names))), name_all(sorted(names)))
            )
        if asked:
            self._total = asked
            self._claim_power(asked, "measured" if len(asked) == 1 else "derived", "module")
            return
        total = find_total(names)
        if total is None and len(names) == 1:
            self._total = names
            self._claim_power(names, "measured", "board")
        elif total is None:
            self._total = []
            self._notes.append(
                "which of {} make up the total is not known; name them as `rails`".format(name_all(sorted(names)))
            )
        else:
            self._total = total.rails
            self._claim_power(total.rails, total.kind, "module")

    def _read_values(self) -> Iterable[Tuple[str, float]]:
        watts: Dict[str, float] = {}
        steps: Dict[str, float] = {}
        for rail in self._rails:
            if rail.power:
                watts[rail.name] = self._integer(rail.power[0]) / rail.power[1]
                continue
            volts, amperes = self._integer(rail.voltage) / 1000, self._integer(rail.current) / 1000
            watts[rail.name] = volts * amperes
            if rail.shunt_uohm:
                steps[rail.name] = volts * _SHUNT_STEP_UV / rail.shunt_uohm + abs(amperes) * _BUS_STEP_MV / 1000
        if self._total:
            if set(self._total) <= set(steps):
                self._quantum = max(self._quantum or 0.0, sum(steps[name] for name in self._total))
            yield "total_w", sum(watts[name] for name in self._total)
        for name, value in watts.items():
            yield "rail_w:" + name, value

    def _find_labelled(self, root: str) -> Iterable[_Rail]:
        for folder in sorted(glob.glob(os.path.join(root, "sys/class/hwmon/hwmon*"))):
            chip = self._say(folder, "name")
            if chip not in _CHIPS:
                continue
            age = self._say(folder, "update_interval")
            self.lag_s = max(self.lag_s, int(age) / 1000 if age.isdigit() else 0.0)
            for number in (1, 2, 3) if chip == "ina3221" else (1,):
                label = self._say(folder, "in{}_label".format(number)) or self._say(folder, "label")
                voltage, current, power = (
                    os.path.join(folder, name.format(number))
                    for name in ("in{}_input", "curr{}_input", "power{}_input")
                )
                if label == "NC" or self._say(folder, "in{}_enable".format(number)) == "0":
                    continue
                has_power = os.path.exists(power)
                if not has_power and not (os.path.exists(voltage) and os.path.exists(current)):
                    continue
                shunt = self._say(folder, "shunt{}_resistor".format(number)) or self._say(folder, "shunt_resistor")
                yield _Rail(
                    label or "{}-{}".format(chip, number),
                    (power, 1e6) if has_power else None,
                    voltage,
                    current,
                    int(shunt) if shunt.isdigit() and chip == "ina3221" else None,
                )

    def _find_jetpack_4(self, root: str) -> Iterable[_Rail]:
        """Yield the rails of JetPack 4's own driver, whose power is in milliwatts."""
        pattern = "sys/bus/i2c/drivers/ina3221x/*/iio:device*/rail_name_*"
        for path in sorted(glob.glob(os.path.join(root, pattern))):
            folder, number = os.path.dirname(path), path.rsplit("_", 1)[1]
            name = self._say(folder, os.path.basename(path))
            power = os.path.join(folder, "in_power{}_input".format(number))
            if name and name != "NC" and os.path.exists(power):
                yield _Rail(name, (power, 1e3), "", "", None)

    def _say(self, folder: str, name: str) -> str:
        try:
            return self._text(os.path.join(folder, name))
        except OSError:
            return ""
