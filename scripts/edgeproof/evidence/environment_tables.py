"""The section on environments as plain data: facts of each device, and what changed during each of its sessions."""

from collections import Counter

from edgeproof.core.configuration import Json
from edgeproof.core.formatting import SPACE, format_bytes, format_fixed, format_number, format_percent, format_time
from edgeproof.runs.conditions import describe_throttling, judge_environment
from edgeproof.runs.drift_records import say_changes

from .charts import label_of
from .collecting import CellEvidence
from .drift_charts import DriftOfSession, draw_drift

_FACTS = (
    ("board", "board"),
    ("CPU", "cpu_model"),
    ("CPUs", "cpu_count"),
    ("CPUs allowed", "affinity"),
    ("CPU quota", "cpu_quota"),
    ("governor", "governors"),
    ("power mode", "power_mode"),
    ("clocks locked", "clocks_locked"),
    ("JetPack", "jetpack"),
    ("GPU driver", "gpu_driver"),
    ("instruction set", "machine"),
    ("system", "os"),
    ("kernel", "kernel"),
    ("Python", "python"),
)
_LOAD_LIMIT, _FREQUENCY_LIMIT, _TEMPERATURE_LIMIT = 0.5, 0.1, 10.0


def describe_environments(cells: list[CellEvidence]) -> list[Json]:
    """Return the tables of environments, one dict per device.

    It has the device's facts, what is not available, and one row per session with its notices.
    """
    devices = []
    for name in dict.fromkeys(item.cell.device for item in cells):
        own = [item for item in cells if item.cell.device == name]
        measured = [item for item in own if item.result["sessions"]]
        sessions = [
            _describe_session(item, number) for item in measured for number in range(len(item.result["sessions"]))
        ]
        facts = _describe_facts(measured)
        columns = _present_columns(sessions)
        absent = [fact["name"] for fact in facts if fact["values"] is None]
        absent += [column["name"] for column in _COLUMNS if column not in columns]
        devices.append(
            {
                "name": name,
                "declared": own[0].result["device"]["board"],
                "transport": own[0].result["device"]["transport"],
                "facts": [fact for fact in facts if fact["values"] is not None],
                "absent": absent if measured else [],
                "columns": columns,
                "sessions": sessions,
                "drift": draw_drift([_drift_of(*place) for place in _places_of(measured) if place[1]["drift"]]),
                "notices": sum(bool(session["notices"]) for session in sessions),
                "unmeasured": len(own) - len(measured),
            }
        )
    return devices


def notice_changes(environment: Json, provenance: str = "measured") -> list[str]:
    """Return the notices for a session's row in the table of environments.

    There is a line for each change that may have affected its times.
    """
    before, after = environment["before"], environment["after"]
    lines = judge_environment(environment) if provenance == "measured" else []
    cpus, load = before["cpu_count"], before["load_average"]
    if load and cpus and load[0] > _LOAD_LIMIT * cpus:
        lines.append(
            f"load: {load[0]:.2f} on {cpus} CPUs before the start, so something else was running or had just ended"
        )
    if before["governors"] != after["governors"]:
        lines.append(f"governor: changed from {_join(before['governors'])} to {_join(after['governors'])}")
    for key, name in (("power_mode", "power mode"), ("clocks_locked", "clocks locked"), ("affinity", "CPUs allowed")):
        if before[key] != after[key]:
            lines.append(f"{name}: changed from {_value(before[key])} to {_value(after[key])}")
    if before["frequencies_khz"] and after["frequencies_khz"]:
        first, last = max(before["frequencies_khz"]), max(after["frequencies_khz"])
        if last < (1 - _FREQUENCY_LIMIT) * first:
            lines.append(f"frequency: fell from {_megahertz(first)} to {_megahertz(last)}")
    if before["temperatures_c"] and after["temperatures_c"]:
        first, last = max(before["temperatures_c"].values()), max(after["temperatures_c"].values())
        if last - first > _TEMPERATURE_LIMIT:
            lines.append(f"temperature: rose by {last - first:.0f}{SPACE}°C")
    return lines


def _describe_facts(items):
    facts = []
    for label, key in _FACTS:
        states = [session["environment"]["before"] for item in items for session in item.result["sessions"]]
        values = Counter(_value(state[key]) for state in states)
        facts.append({"name": label, "values": _counted(values, len(states))})
    runtimes = Counter(f"{r['name']} {r['version']}" for r in (item.result["runtime"] for item in items) if r)
    providers = Counter(
        ", ".join(r["execution_providers_used"]) or None for r in (item.result["runtime"] for item in items) if r
    )
    facts.append({"name": "runtime", "values": _counted(runtimes, len(items))})
    facts.append({"name": "execution provider", "values": _counted(providers, len(items))})
    return facts


def _counted(values, total):
    """Return [{text, count}], most frequent first; a count if sessions differ. None if no session has a value."""
    if not [value for value in values if value is not None]:
        return None
    differ = len(values) > 1
    return [
        {"text": text or "not available", "count": f"{count} of {total} sessions" if differ else None}
        for text, count in values.most_common()
    ]


def _places_of(items):
    """Return (cell's evidence, session, its number) of every session of these cells."""
    return [(item, session, number) for item in items for number, session in enumerate(item.result["sessions"])]


def _label_of(item, number):
    several = len(item.result["sessions"]) > 1
    return f"{item.cell.model} · {label_of(item.cell)}" + (f", session {number + 1}" if several else "")


def _drift_of(item, session, number):
    return DriftOfSession(_label_of(item, number), format_time(session["started_at_unix_s"]), session["drift"])


def _describe_session(item, number):
    session = item.result["sessions"][number]
    environment = session["environment"]
    before, after = environment["before"], environment["after"]
    return {
        "label": _label_of(item, number),
        "started": format_time(session["started_at_unix_s"]),
        "simulated": item.result["provenance"] == "simulated",
        "notices": [*notice_changes(environment, item.result["provenance"]), *say_changes(session["drift"])],
        "values": {column["key"]: column["read"](environment, before, after) for column in _COLUMNS},
    }


def _present_columns(sessions):
    return [column for column in _COLUMNS if any(session["values"][column["key"]] for session in sessions)]


def _steal(environment, before, after):
    return format_percent(environment["steal_share"], 2)


def _load(environment, before, after):
    return _change(*(f"{side['load_average'][0]:.2f}" if side["load_average"] else None for side in (before, after)))


def _frequency(environment, before, after):
    return _change(
        *(_megahertz(max(side["frequencies_khz"])) if side["frequencies_khz"] else None for side in (before, after))
    )


def _temperature(environment, before, after):
    hottest = (max(side["temperatures_c"].values()) if side["temperatures_c"] else None for side in (before, after))
    return _change(*(None if value is None else f"{format_fixed(value, 1)}{SPACE}°C" for value in hottest))


def _throttling(environment, before, after):
    if not before["throttled"] or not after["throttled"]:
        return None
    return describe_throttling(before["throttled"], after["throttled"]) or "none"


def _memory(environment, before, after):
    return _change(*(format_bytes(side["memory_available_bytes"]) for side in (before, after)))


def _duration(environment, before, after):
    return f"{format_number(after['taken_at_unix_s'] - before['taken_at_unix_s'])}{SPACE}s"


_COLUMNS = tuple(
    {"key": key, "name": name, "read": read}
    for key, name, read in (
        ("duration", "session took", _duration),
        ("steal", "steal", _steal),
        ("load", "load, 1 min", _load),
        ("frequency", "highest frequency", _frequency),
        ("temperature", "hottest sensor", _temperature),
        ("throttling", "throttling", _throttling),
        ("memory", "memory available", _memory),
    )
)


def _change(before, after):
    """Return "before → after", one value if both are equal, None if neither is known."""
    if before is None and after is None:
        return None
    if before == after:
        return before
    return f"{before or 'not available'} → {after or 'not available'}"


def _value(value):
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return _join(value)
    return format_number(value) if isinstance(value, float) else str(value)


def _join(values):
    return "not available" if values is None else ", ".join(map(str, values))


def _megahertz(kilohertz):
    return f"{format_fixed(kilohertz / 1000, 0)}{SPACE}MHz"
