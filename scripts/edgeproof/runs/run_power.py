"""Power, energy, temperature and memory of a run, from what samplers said inside the windows of its processes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.distributions import student_t_quantile

from .energy import BUDGET_LIMIT, Energy, PowerTrace, describe_budget, find_refusal, integrate_power, subtract_idle
from .silences import LONGEST_WITHOUT_POWER, describe_silence, measure_silence
from .telemetry_files import Telemetry

_NO_SAMPLER = "no power sampler is configured for this device"
_SIMULATED = "a simulated run uses no power"
_FEWEST_SESSIONS = 3
_ELSEWHERE = ("tboard", "iwlwifi")  # sensors that are not on the chip


class Window(NamedTuple):
    """The timed loop of one process, and how many inferences it did. Times are of the agent's clock."""

    start_ns: int
    stop_ns: int
    inferences: int


class WatchedSession(NamedTuple):
    """What a result keeps of a session's telemetry (`sessions[].telemetry`), with its series."""

    described: Json
    series: Telemetry

    @property
    def windows(self) -> list[Window]:
        """The windows of a session's processes that are ok, in order, over which a run's power is taken."""
        return [Window(**window) for window in self.described["windows"]]


def describe_windows(processes: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Return the windows of a run's power: {start_ns, stop_ns, inferences} of each ok process's timed loop."""
    windows: list[Json] = []
    for process in processes:
        if process["status"] == "ok":
            load = process.get("load")
            timed = sum(window["timed"] for window in load["windows"]) if load else process["samples"]
            start = process["window_start_ns"]
            inferences = timed * process["calls_per_sample"]
            windows.append({"start_ns": start, "stop_ns": start + process["window_ns"], "inferences": inferences})
    return windows


def find_sampler_fault(session: WatchedSession) -> str | None:
    """Return what a required sampler failed to give of a run's power, temperature or memory; None if nothing.

    A session with such a fault has no verdict.
    """
    for sampler in session.described["samplers"]:
        if not sampler["required"]:
            continue
        if sampler["reason"]:
            return f"{sampler['id']}: {sampler['reason']}"
        for number, window in enumerate(session.windows):
            if sampler["power"]:
                found = _integrate(session, sampler, window.start_ns, window.stop_ns)
                fault = found if isinstance(found, str) else find_refusal(found)
            else:
                fault = _find_silence(session, sampler["id"], window)
            if fault:
                return f"{sampler['id']}: process {number}: {fault}"
    return None


def _find_silence(session: WatchedSession, name: str, window: Window) -> str | None:
    """Return why a sampler without power has not watched a process, None if it has; all its channels count."""
    own = [series.times_ns for (sampler, _), series in session.series.items() if sampler == name]
    times = np.unique(np.concatenate([np.zeros(0, np.int64), *own]))
    start, stop = window.start_ns, window.stop_ns
    if not ((times >= start) & (times <= stop)).any():
        return "no sample while it was measured"
    return describe_silence(measure_silence(times, start, stop), (stop - start) / 1e9, LONGEST_WITHOUT_POWER)


def summarise_telemetry(sessions: Sequence[WatchedSession | None], provenance: str) -> Json:
    """Return {power, energy, temperature, memory, processes, throttled} of a run.

    `sessions`: in order, None for one that had no samplers. `processes`: {mean_w, …} of each process that is ok, None
    without power. `throttled`: per session the channels that said so while it was measured.
    """
    watched = [session for session in sessions if session is not None]
    if not watched or len(watched) < len(sessions):
        reason = _SIMULATED if provenance == "simulated" else _NO_SAMPLER
        return describe_no_telemetry(reason) | {"processes": None, "throttled": [[] for _ in sessions]}
    own = {"throttled": [_list_throttled(session) for session in watched]}
    own |= {"temperature": _summarise_temperature(watched), "memory": _summarise_memory(watched)}
    reasons: list[str] = []
    for sampler in watched[0].described["samplers"]:
        found = _measure_power(watched, sampler["id"])
        if not isinstance(found, str):
            return {**found, **own}
        reasons.append(f"{sampler['id']}: {found}")
    return describe_no_telemetry("; ".join(reasons)) | {"processes": None} | own


def _measure_power(sessions: Sequence[WatchedSession], name: str) -> Json | str:
    """Return {power, energy, processes} by one sampler, or why it gives none."""
    entries: list[Json] = []
    idles: list[float] = []
    energies: list[list[float]] = []
    samplers: list[Json | None] = [
        next((sampler for sampler in session.described["samplers"] if sampler["id"] == name), None)
        for session in sessions
    ]
    power: Json = (samplers[0] or {}).get("power") or {}
    for number, (session, sampler) in enumerate(zip(sessions, samplers, strict=True)):
        if sampler is None or sampler["power"] is None:
            return (sampler and sampler["reason"]) or "it gives no power"
        if sampler["power"] != power:
            return "its sessions differ in what they measured"
        idle = [_idle_of(session, sampler, place) for place in ("before", "after")]
        idles += [each.mean_w for each in idle if each is not None]
        energies.append([])
        for window in session.windows:
            found = _integrate(session, sampler, window.start_ns, window.stop_ns)
            if isinstance(found, str):
                return f"session {number}: {found}"
            if refusal := find_refusal(found):
                return f"session {number}: {refusal}"
            entries.append(_describe_process(found, window, idle))
            energies[-1].append(entries[-1]["energy_j"])
    if not entries:
        return "no process was measured"
    nets = [entry["net_j"] for entry in entries]
    budget = {key: max(entry["budget"][key] for entry in entries) for key in entries[0]["budget"]}
    low, high = _interval(energies)
    known = all(net is not None for net in nets)
    return {
        "power": {
            "mean_w": _mean([entry["mean_w"] for entry in entries]),
            "peak_w": max(entry["peak_w"] for entry in entries),
            "idle_w": _mean(idles) if idles else None,
            "boundary": power["boundary"],
            "rails": power["rails"],
            "kind": power["kind"],
            "sampler": name,
            "reason": None,
        },
        "energy": {
            "value_j": _mean([entry["energy_j"] for entry in entries]),
            "low_j": low,
            "high_j": high,
            "net_j": _mean(nets) if known else None,
            "net_error": max(entry["net_error"] for entry in entries) if known else None,
            "net_reason": None if known else _explain_net(idles),
            "budget": budget,
            "boundary": power["boundary"],
            "sampler": name,
            "reason": None,
        },
        "processes": entries,
    }


def _describe_process(found: Energy, window: Window, idle: Sequence[Energy | None]) -> Json:
    """Return the figures of one process; `energy_j` and `net_j` are per inference."""
    entry: Json = {
        "mean_w": found.mean_w,
        "peak_w": found.peak_w,
        "energy_j": found.joules / window.inferences,
        "net_j": None,
        "net_error": None,
        "samples": found.samples,
        "budget": describe_budget(found.budget),
    }
    if any(each is not None for each in idle):
        net, error = subtract_idle(found, (window.stop_ns - window.start_ns) / 1e9, *idle)
        if net > 0 and error / net <= BUDGET_LIMIT:
            entry |= {"net_j": net / window.inferences, "net_error": error / net}
    return entry


def _explain_net(idles: Sequence[float]) -> str:
    if not idles:
        return "the idle device was not measured"
    return f"the difference from idling has an error of more than {BUDGET_LIMIT:.0%}"


def _idle_of(session: WatchedSession, sampler: Json, place: str) -> Energy | None:
    stretch = session.described["idle"][place]
    found = _integrate(session, sampler, *stretch) if stretch else None
    return found if isinstance(found, Energy) else None


def _integrate(session: WatchedSession, sampler: Json, start_ns: int, stop_ns: int) -> Energy | str:
    channel = sampler["power"]["channel"]
    series = session.series.get((sampler["id"], channel))
    if series is None:
        return sampler["reason"] or "no sample of its power"
    counter = channel == "total_j"
    trace = PowerTrace(series.times_ns, series.values, counter, sampler["quantum"], sampler["lag_s"])
    return integrate_power(trace, start_ns, stop_ns)


def _interval(sessions: Sequence[Sequence[float]]) -> tuple[float | None, float | None]:
    """Return the 95 % t-interval of a mean: over processes of the only session, or means of three sessions or more."""
    values = list(sessions[0]) if len(sessions) == 1 else [_mean(session) for session in sessions]
    if len(values) < (2 if len(sessions) == 1 else _FEWEST_SESSIONS):
        return None, None
    spread = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    reach = student_t_quantile(0.975, len(values) - 1) * spread
    return _mean(values) - reach, _mean(values) + reach


def _summarise_temperature(sessions: Sequence[WatchedSession]) -> Json:
    """Return the temperature of the sensor that became hottest while processes were measured."""
    best: Json | None = None
    for key in dict.fromkeys(key for session in sessions for key in session.series if _is_of_chip(key[1])):
        values = list(_values_of(sessions, key))
        if values and (best is None or max(values) > best["peak_c"]):
            mean = _mean(values)
            sensor = key[1].partition(":")[2]
            best = {"mean_c": mean, "peak_c": max(values), "sensor": sensor, "sampler": key[0], "reason": None}
    return best or _no_temperature("no sampler gave a temperature")


def _summarise_memory(sessions: Sequence[WatchedSession]) -> Json:
    """Return the resident memory of the measured processes, by the first sampler that watches it."""
    keys = [key for session in sessions for key in session.series if key[1] == "memory_bytes:process"]
    for key in dict.fromkeys(keys):
        values = list(_values_of(sessions, key))
        if values:
            return {
                "mean_bytes": round(_mean(values)),
                "peak_bytes": round(max(values)),
                "boundary": "process",
                "sampler": key[0],
                "reason": None,
            }
    return _no_memory("no sampler watched the memory of the process")


def _is_of_chip(channel: str) -> bool:
    quantity, _, sensor = channel.partition(":")
    return quantity == "temperature_c" and sensor.lower() not in _ELSEWHERE


def _values_of(sessions: Sequence[WatchedSession], key: tuple[str, str]) -> Iterator[float]:
    """Yield the values of a channel that lie in the windows of processes."""
    for session in sessions:
        for window in session.windows if key in session.series else ():
            yield from session.series[key].within(window.start_ns, window.stop_ns).values.tolist()


def _list_throttled(session: WatchedSession) -> list[str]:
    """Return the channels that said, while a process was measured, that the device throttles."""
    found: list[str] = []
    for (name, channel), series in session.series.items():
        inside = (series.within(*window[:2]).values for window in session.windows)
        if channel.startswith("throttled:") and any(values.any() for values in inside):
            found.append(f"{name} {channel}")
    return found


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def describe_no_telemetry(reason: str) -> Json:
    """Return power, energy, temperature and memory of a run without telemetry: nothing, and the reason."""
    power = dict.fromkeys(("mean_w", "peak_w", "idle_w", "boundary", "rails", "kind", "sampler"))
    energy = dict.fromkeys(
        ("value_j", "low_j", "high_j", "net_j", "net_error", "net_reason", "budget", "boundary", "sampler")
    )
    return {
        "power": {**power, "reason": reason},
        "energy": {**energy, "reason": reason},
        "temperature": _no_temperature(reason.replace("no power sampler", "no sampler")),
        "memory": _no_memory(reason.replace("no power sampler", "no sampler")),
    }


def _no_temperature(reason: str) -> Json:
    return {**dict.fromkeys(("mean_c", "peak_c", "sensor", "sampler")), "reason": reason}


def _no_memory(reason: str) -> Json:
    return {**dict.fromkeys(("mean_bytes", "peak_bytes", "boundary", "sampler")), "reason": reason}
