"""All samplers of a device together: they write `telemetry.csv`, and each its raw log, while something is measured.

`telemetry.csv` has the columns `at_ns,sampler,channel,value`. Rows are in order per channel; `at_ns` is of
`time.perf_counter_ns`, which all processes of a machine share.
"""

from __future__ import annotations

import os
import threading
from typing import IO, Callable, Dict, List, Optional, Sequence

from ..failures import NoVerdict
from ..specs import Report, SamplerOptions
from .hwmon import Hwmon
from .meter_csv import MeterCsv
from .nvml import Nvml
from .procfs import Procfs
from .rapl import Rapl
from .sampler import Sampler, Unavailable
from .tegrastats import Tegrastats
from .vcgencmd import Vcgencmd

FILE = "telemetry.csv"
_SAMPLERS: Dict[str, Callable[[SamplerOptions, IO[bytes]], Sampler]] = {
    sampler.name: sampler for sampler in (Hwmon, Tegrastats, Rapl, Nvml, Vcgencmd, Procfs, MeterCsv)
}
_DRAIN_S = 0.25


class Recorder:
    """The samplers of one session. Use `start`, then `watch` for every process, then `stop`."""

    def __init__(self, options: Sequence[SamplerOptions], out: str) -> None:
        os.makedirs(out, exist_ok=True)
        self._file = open(os.path.join(out, FILE), "w", encoding="utf-8", newline="\n")  # noqa: SIM115 (`stop` does)
        self._file.write("at_ns,sampler,channel,value\n")
        self._out, self._options = out, list(options)
        self._running: List[Sampler] = []
        self._samplers: List[Sampler] = []
        self._names: Dict[int, str] = {}
        self._raw: List[IO[bytes]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)

    def start(self) -> None:
        """Start every sampler; NoVerdict if a required one cannot run here."""
        for number, options in enumerate(self._options):
            same = sum(other["name"] == options["name"] for other in self._options[:number])
            name = options["name"] + ("-{}".format(same + 1) if same else "")
            raw = open(os.path.join(self._out, name + ".raw"), "wb")  # noqa: SIM115 (`stop` does)
            self._raw.append(raw)
            sampler = _SAMPLERS[options["name"]](options, raw)
            self._samplers.append(sampler)
            self._names[id(sampler)] = name
            try:
                sampler.start()
            except (Unavailable, OSError, ValueError) as error:
                if options.get("required"):
                    self.stop()
                    raise NoVerdict("sampler", "{}: {}".format(name, error)) from error
                sampler.give_up(str(error))
                continue
            self._running.append(sampler)
        self._thread.start()

    def watch(self, pid: Optional[int]) -> None:
        """Tell the samplers which process is measured from now on; None for none."""
        for sampler in self._running:
            sampler.watch(pid)

    def stop(self) -> Report:
        """Stop all samplers and return {file, samplers}: what each was, in the order of the options."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        for sampler in self._running:
            sampler.stop()
        self._drain()
        self._file.close()
        for raw in self._raw:
            raw.close()
        reports = [dict(sampler.describe(), id=self._names[id(sampler)]) for sampler in self._samplers]
        return {"file": FILE, "samplers": reports}

    def _run(self) -> None:
        while not self._over.wait(_DRAIN_S):
            self._drain()

    def _drain(self) -> None:
        for sampler in self._running:
            name = self._names[id(sampler)]
            rows = [
                "{},{},{},{:.9g}\n".format(at_ns, name, channel, value) for at_ns, channel, value in sampler.drain()
            ]
            self._file.write("".join(rows))
        self._file.flush()
