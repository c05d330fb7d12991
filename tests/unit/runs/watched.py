"""Results of runs that samplers watched, with telemetry of known power in their attempts."""

import numpy as np
from edgeproof.core.documents import write_sealed
from edgeproof.core.files import sha256_file
from edgeproof.runs.raw_samples import write_samples
from edgeproof.runs.results import build_result
from edgeproof.runs.telemetry_files import path_in_attempt, read_telemetry

from .records import make_facts, measured_session, steady_samples

BEGIN_NS = 50_000_000_000
IDLE_W = 2.0
OK = {"status": "ok", "reason": None}


def describe_sampler(name="hwmon", **changes):
    """Return what the agent says of a sampler that ran."""
    power = {"channel": "total_w", "boundary": "module", "rails": ["VDD_IN"], "kind": "measured"}
    sampler = {"id": name, "name": name, "required": False, "interval_ms": 5, "power": power, "quantum": 0.04}
    return {**sampler, "lag_s": 0.001, "samples": {"total_w": 100}, "reason": None, "notes": [], **changes}


def write_telemetry(attempt, windows, watts, more=(), interval_ns=4_000_000):
    """Write telemetry of idle power, and of `watts` in each window; `more`: further rows. Return the idle stretches."""
    first, last = windows[0][0] - 2_000_000_000, windows[-1][1] + 2_000_000_000
    rows = []
    for at in range(first, last, interval_ns):
        power = next((level for (a, b), level in zip(windows, watts, strict=True) if a - 5e8 <= at <= b + 5e8), IDLE_W)
        rows.append(f"{at},hwmon,total_w,{power}")
    for at in range(first, last, 10 * interval_ns):
        rows += [
            f"{at},procfs,temperature_c:gpu,{40 + (at - first) / 1e9}",
            f"{at},procfs,memory_bytes:process,3000000",
        ]
    path = path_in_attempt(attempt)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["at_ns,sampler,channel,value", *rows, *more]) + "\n")
    return {"before": [first, first + 1_400_000_000], "after": [last - 1_400_000_000, last]}


def store_watched(folder, watts=(6.0, 6.1, 6.2), samplers=None, more=(), **options):
    """Write the result of one session whose processes drew `watts`; return its path."""
    samples = steady_samples(processes=len(watts), count=1000)
    attempt = folder / "attempts/0001-0123abcd"
    session = measured_session(samples, **options)
    windows, now = [], BEGIN_NS
    for process in session.record["processes"]:
        process["window_start_ns"] = now
        windows.append((now, now + process["window_ns"]))
        now = windows[-1][1] + 2_000_000_000
    idle = write_telemetry(attempt, windows, watts, more)
    samplers = samplers or [describe_sampler(), describe_sampler("procfs", power=None)]
    session.record["telemetry"] = {"file": "telemetry.csv", "samplers": samplers, "cpu_s": 0.1, "idle": idle}
    path = path_in_attempt(attempt)
    session = session._replace(telemetry=(read_telemetry(path), sha256_file(path)))
    write_samples(folder / "samples.csv", [samples])
    facts = make_facts(sha256_file(folder / "samples.csv"), processes=len(watts))
    write_sealed(folder / "result.json", build_result(facts, OK, [session]), "result")
    return folder / "result.json"


def joules_of(result, watts):
    """Return the joules per inference that a process of this power takes."""
    windows = result["sessions"][0]["telemetry"]["windows"]
    seconds = [(window["stop_ns"] - window["start_ns"]) / 1e9 for window in windows]
    return np.mean([power * each / 1000 for power, each in zip(watts, seconds, strict=True)])
