"""What a benchmark command prints under EdgeEnv's contract: four kinds of lines, the last of each kind counts.

Source: InferEdgeEnv v0.1.5 (contract, sections 2, 8 and 12). We refuse what EdgeEnv lets through and then compares:
figures that are no finite numbers, negative times, percentiles out of order.
"""

import json
import math
from typing import Any, NamedTuple, cast

from edgeproof.core.configuration import Json

METRICS = ("latency_mean_ms", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "throughput_fps")
METRICS_LINE = "EDGEENV_METRICS_JSON="
_RESOURCES = ("memory_peak_mb", "memory_mean_mb", "power_mean_w", "power_peak_w", "energy_j", "temperature_peak_c")
_OPTIONAL_LINES = {
    "resource_metrics": "EDGEENV_RESOURCE_METRICS_JSON=",
    "runtime_operation_summary": "EDGEENV_RUNTIME_OPERATION_SUMMARY_JSON=",
    "runtime_telemetry": "EDGEENV_RUNTIME_TELEMETRY_JSON=",
}


class MalformedOutput(Exception):
    """The command did not print what the contract asks for; the message names the line, the key and the value."""


class Printed(NamedTuple):
    """What a command printed. `optional`: those of the three optional objects that it did."""

    metrics: dict[str, float]
    optional: dict[str, Json]


def parse_output(output: bytes) -> Printed:
    """Return what a command's output says under EdgeEnv's contract; MalformedOutput names what is wrong with it."""
    lines = output.decode("utf-8", "replace").splitlines()
    found = _last(lines, METRICS_LINE)
    if found is None:
        raise MalformedOutput(f"no line of its output begins with {METRICS_LINE}")
    optional: dict[str, Json] = {}
    for name, prefix in _OPTIONAL_LINES.items():
        text = _last(lines, prefix)
        if text is not None:
            optional[name] = _read_object(prefix, text)
    metrics = _check_metrics(_read_object(METRICS_LINE, found))
    if "resource_metrics" in optional:
        _check_resources(optional["resource_metrics"])
    version: Any = optional.get("runtime_telemetry", {}).get("schema_version", "")
    if not isinstance(version, str):
        raise MalformedOutput(f"{_OPTIONAL_LINES['runtime_telemetry']}: schema_version is {version!r}, not a text")
    return Printed(metrics, optional)


def _last(lines: list[str], prefix: str) -> str | None:
    """Return what follows a prefix in the last line that begins with it."""
    found = [line for line in lines if line.startswith(prefix)]
    return found[-1].removeprefix(prefix) if found else None


def _read_object(prefix: str, text: str) -> Json:
    def refuse(word: str) -> Any:
        raise MalformedOutput(f"{prefix}: {word} is not a number in JSON")

    try:
        value: Any = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedOutput(f"{prefix}: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise MalformedOutput(f"{prefix}: is no object: {text[:80]}")
    return cast(Json, value)


def _check_metrics(metrics: Json) -> dict[str, float]:
    missing, unknown = [key for key in METRICS if key not in metrics], [key for key in metrics if key not in METRICS]
    if missing or unknown:
        told = f"{', '.join(missing)} missing" if missing else f"unknown key {unknown[0]!r}"
        raise MalformedOutput(f"{METRICS_LINE}: {told}; it takes {', '.join(METRICS)}")
    values = {key: _number(METRICS_LINE, key, metrics[key]) for key in METRICS}
    for key, value in values.items():
        if value <= 0:
            raise MalformedOutput(f"{METRICS_LINE}: {key} is {value!r}; a positive number is needed")
    p50, p95, p99 = (values[f"latency_{name}_ms"] for name in ("p50", "p95", "p99"))
    if not p50 <= p95 <= p99:
        raise MalformedOutput(f"{METRICS_LINE}: percentiles out of order: p50 {p50}, p95 {p95}, p99 {p99}")
    return values


def _check_resources(resources: Json) -> None:
    prefix = _OPTIONAL_LINES["resource_metrics"]
    for key, value in resources.items():
        if key == "source":
            if not isinstance(value, str):
                raise MalformedOutput(f"{prefix}: source is {value!r}, not a text")
        elif key not in _RESOURCES:
            raise MalformedOutput(f"{prefix}: unknown key {key!r}; it takes {', '.join(_RESOURCES)} and source")
        elif _number(prefix, key, value) < 0 and key != "temperature_peak_c":
            raise MalformedOutput(f"{prefix}: {key} is {value!r}, which is negative")


def _number(prefix: str, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise MalformedOutput(f"{prefix}: {key} is {value!r}; a finite number is needed")
    return float(value)
