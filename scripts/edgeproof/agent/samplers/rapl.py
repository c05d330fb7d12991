"""`rapl`: the energy counters of x86 processors (`/sys/class/powercap`), which wrap around."""

from __future__ import annotations

import glob
import os
from typing import Dict, Iterable, List, NamedTuple, Tuple

from ..sampling_rates import INTERVALS_MS
from .sampler import PolledSampler, Unavailable, name_all

_STEP_J = 6.1e-5  # the coarsest unit of these counters


class _Domain(NamedTuple):
    """One counter. `limit_uj`: the value after which it begins anew."""

    name: str
    path: str
    limit_uj: int


class Rapl(PolledSampler):
    """Joules since the start: of the processor's packages together (`total_j`), and of every domain."""

    name = "rapl"
    interval_ms = INTERVALS_MS["rapl"]
    lag_s = 0.001  # the counters move about once a millisecond

    def _find_sources(self) -> None:
        root = self._options.get("root", "/")
        self._domains: List[_Domain] = []
        for folder in sorted(glob.glob(os.path.join(root, "sys/class/powercap/intel-rapl:*"))):
            path = os.path.join(folder, "energy_uj")
            try:
                name, limit = self._text(os.path.join(folder, "name")), self._integer(folder + "/max_energy_range_uj")
                self._integer(path)
            except PermissionError:
                raise Unavailable("{}: only root may read it; run: sudo chmod a+r {}".format(path, path)) from None
            except (OSError, ValueError):
                continue
            if ":" in os.path.basename(folder).split(":", 1)[1]:  # a part of a package
                name = "{}/{}".format(os.path.basename(folder).split(":")[1], name)
            self._domains.append(_Domain(name, path, limit))
        names = [domain.name for domain in self._domains]
        packages = [name for name in names if name.startswith("package")]
        self._total = self._options.get("rails") or packages
        if not self._total or not set(self._total) <= set(names):
            wanted = name_all(self._total) if self._total else "of a package"
            place = "{}/sys/class/powercap".format(root.rstrip("/"))
            raise Unavailable("no energy counter {} below {}; there are {}".format(wanted, place, name_all(names)))
        kind = "measured" if len(self._total) == 1 else "derived"
        self._claim_power(self._total, kind, "chip", "total_j")
        self._quantum = _STEP_J * len(self._total)
        self._last: Dict[str, int] = {}
        self._joules = dict.fromkeys(names, 0.0)

    def _read_values(self) -> Iterable[Tuple[str, float]]:
        for domain in self._domains:
            now = self._integer(domain.path)
            self._joules[domain.name] += count_step(self._last.get(domain.name, now), now, domain.limit_uj) / 1e6
            self._last[domain.name] = now
        yield "total_j", sum(self._joules[name] for name in self._total)
        for name, value in self._joules.items():
            yield "domain_j:" + name, value


def count_step(before: int, now: int, limit: int) -> int:
    """Return how far a RAPL counter went that begins anew after `limit`; it must be read more often than it does so."""
    return now - before if now >= before else now + limit + 1 - before
