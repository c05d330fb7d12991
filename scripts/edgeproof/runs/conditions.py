"""Whether the machine was fit to measure: the stability tests on the samples, plus steal and throttling."""

from collections.abc import Mapping
from typing import Any

from edgeproof.core.configuration import Json

STEAL_LIMIT = 0.01
# Sessions whose pairs are put together must agree in these and in the runtime's version.
_STATE = ("kernel", "power_mode", "clocks_locked", "governors", "jetpack", "gpu_driver", "cpu_quota")
# `vcgencmd get_throttled`: bits 0-3 hold now, bits 16-19 have held at some time since boot.
_RPI_NOW = 0xF
_RPI_SINCE_BOOT = 0xF0000


def judge_conditions(stability: Json, result: Json) -> Json:
    """Return the stability verdict of a run: `stable`, the tests, and one line per reason against it.

    `stability`: as from `core.summary`. The environment does not count for simulated runs, because they do not depend
    on the machine.
    """
    tests = {name: test for name, test in stability.items() if name != "stable"}
    reasons = [f"{name}: {test['detail']}" for name, test in tests.items() if not test["passed"]]
    if result["provenance"] == "measured" and result["environment"]:
        reasons += judge_environment(result["environment"])
    return {"stable": not reasons, "reasons": reasons, "tests": tests}


def describe_state(before: Json, runtime_version: str | None) -> Json:
    """Return the state of machine and runtime during a measurement; `before`: the agent's first snapshot."""
    return {"runtime_version": runtime_version, **{name: before.get(name) for name in _STATE}}


def state_of(result: Json) -> Json:
    """Return the state in which a result was measured; its values are None if nothing was measured."""
    environment: Json = result["environment"] or {}
    runtime: Json = result["runtime"] or {}
    return describe_state(environment.get("before", {}), runtime.get("version"))


def judge_environment(environment: Mapping[str, Any]) -> list[str]:
    """Return what disturbed a session (steal above 1 %, throttling), one line each.

    `environment`: before, after, steal_share.
    """
    reasons: list[str] = []
    steal = environment["steal_share"]
    if steal is not None and steal > STEAL_LIMIT:
        reasons.append(f"steal: the hypervisor took {steal:.1%} of the CPU time, more than {STEAL_LIMIT:.0%}")
    throttled = describe_throttling(environment["before"]["throttled"], environment["after"]["throttled"])
    if throttled:
        reasons.append(f"throttling: {throttled}")
    return reasons


def describe_throttling(before: Json | None, after: Json | None) -> str | None:
    """Return in words what throttled the board between two snapshots; None if nothing did or it is not known."""
    if not before or not after:
        return None
    if after["source"].startswith("vcgencmd"):
        new = after["value"] & _RPI_SINCE_BOOT & ~before["value"]
        now = (before["value"] | after["value"]) & _RPI_NOW
        return f"{after['source']} says {after['value']:#x}" if new or now else None
    grown = after["value"] - before["value"]
    return f"{after['source']} grew by {grown}" if grown > 0 else None
