"""In which state a machine measured, and whether that disturbed a session: steal and throttling."""

from collections.abc import Mapping
from typing import Any

from edgeproof.core.configuration import Json

STEAL_LIMIT = 0.01
# Sessions whose pairs are put together must agree in these and in the runtime's version.
_STATE = ("kernel", "power_mode", "clocks_locked", "governors", "jetpack", "gpu_driver", "cpu_quota")
# `vcgencmd get_throttled`: bits 0-3 hold now, bits 16-19 have held at some time since boot.
_RPI_NOW = 0xF
_RPI_SINCE_BOOT = 0xF0000


def describe_state(before: Json, runtime_version: str | None) -> Json:
    """Return a measurement's conditions, the state of machine and runtime. `before`: the agent's first snapshot."""
    return {"runtime_version": runtime_version, **{name: before.get(name) for name in _STATE}}


def state_of(result: Json) -> Json:
    """Return the conditions (the state) in which a result was measured; values are None if nothing was measured."""
    runtime: Json = result["runtime"] or {}
    return describe_state(first_snapshot(result), runtime.get("version"))


def first_snapshot(result: Json) -> Json:
    """Return the conditions when a result's first session began, as the agent saw them; {} if nothing was measured."""
    return result["sessions"][0]["environment"]["before"] if result["sessions"] else {}


def judge_environment(environment: Mapping[str, Any]) -> list[str]:
    """Return the conditions that disturbed a session (steal above 1 %, throttling), one line each.

    `environment`: before, after, steal_share.
    """
    throttled = throttling_of(environment)
    found = (describe_steal(environment), throttled and f"throttling: {throttled}")
    return [line for line in found if line]


def describe_steal(environment: Mapping[str, Any]) -> str | None:
    """Return the condition that a hypervisor took over 1 % of a session's CPU time; None if not, or not known."""
    steal = environment["steal_share"]
    if steal is None or steal <= STEAL_LIMIT:
        return None
    return f"steal: the hypervisor took {steal:.1%} of the CPU time, more than {STEAL_LIMIT:.0%}"


def throttling_of(environment: Mapping[str, Any]) -> str | None:
    """Return in words the condition that throttled the board in a session; None if nothing did or it is not known."""
    return describe_throttling(environment["before"]["throttled"], environment["after"]["throttled"])


def describe_throttling(before: Json | None, after: Json | None) -> str | None:
    """Return in words the condition that throttled the board between two snapshots; None if none or not known."""
    if not before or not after:
        return None
    if after["source"].startswith("vcgencmd"):
        new = after["value"] & _RPI_SINCE_BOOT & ~before["value"]
        now = (before["value"] | after["value"]) & _RPI_NOW
        return f"{after['source']} says {after['value']:#x}" if new or now else None
    grown = after["value"] - before["value"]
    return f"{after['source']} grew by {grown}" if grown > 0 else None
