"""Whether the machine let us measure: the three tests on the samples, plus steal and throttling from the
environment.
"""

STEAL_LIMIT = 0.01
# What must not change between sessions whose pairs are put together, besides the runtime's version.
_STATE = ("kernel", "power_mode", "clocks_locked", "governors", "jetpack", "gpu_driver", "cpu_quota")
# `vcgencmd get_throttled`: bits 0-3 say what holds now, bits 16-19 what has happened since boot.
_RPI_NOW = 0xF
_RPI_SINCE_BOOT = 0xF0000


def judge_conditions(stability, result):
    """Return the stability verdict of a run: `stable`, the tests, and one line per reason against it.

    `stability`: as from `core.summary`. Simulated runs do not depend on the machine, so their environment does not
    count.
    """
    tests = {name: test for name, test in stability.items() if name != "stable"}
    reasons = [f"{name}: {test['detail']}" for name, test in tests.items() if not test["passed"]]
    if result["provenance"] == "measured" and result["environment"]:
        reasons += judge_environment(result["environment"])
    return {"stable": not reasons, "reasons": reasons, "tests": tests}


def describe_state(before, runtime_version):
    """Return the state of a machine and its runtime that a measurement met. `before`: the agent's first snapshot."""
    return {"runtime_version": runtime_version, **{name: before.get(name) for name in _STATE}}


def state_of(result):
    """Return the state that a result's measurement met; empty values for one that never came to measuring."""
    return describe_state((result["environment"] or {}).get("before", {}), (result["runtime"] or {}).get("version"))


def judge_environment(environment):
    """Return what disturbed a session, one line each: steal above 1 %, throttling. `environment`: before, after,
    steal_share.
    """
    reasons = []
    steal = environment["steal_share"]
    if steal is not None and steal > STEAL_LIMIT:
        reasons.append(f"steal: the hypervisor took {steal:.1%} of the CPU time, more than {STEAL_LIMIT:.0%}")
    throttled = describe_throttling(environment["before"]["throttled"], environment["after"]["throttled"])
    if throttled:
        reasons.append(f"throttling: {throttled}")
    return reasons


def describe_throttling(before, after):
    """Return what throttled the board between two snapshots, in words; None when nothing did or nobody can tell."""
    if not before or not after:
        return None
    if after["source"].startswith("vcgencmd"):
        new = after["value"] & _RPI_SINCE_BOOT & ~before["value"]
        now = (before["value"] | after["value"]) & _RPI_NOW
        return f"{after['source']} says {after['value']:#x}" if new or now else None
    grown = after["value"] - before["value"]
    return f"{after['source']} grew by {grown}" if grown > 0 else None
