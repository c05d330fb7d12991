"""The history of a cell: steps are found, and blamed on the machine, a part of the key, or nothing that is known."""

import numpy as np
import pytest
from edgeproof.runs.cell_history import HistoricSession, describe_history, find_history_steps

PARTS = {"agent": "a", "arms": {"candidate": {"artifact": "x"}}}


def make(levels, kernels=None, parts=None, machines=None, seed=0):
    """Return sessions with these latencies in ms, each varied by 0.5 %, one a day."""
    draw = np.random.default_rng(seed)
    return [
        HistoricSession(
            f"attempts/{number:04d}",
            86400.0 * number,
            float(level * draw.lognormal(0, 0.005)),
            None if kernels is None else float(kernels[number] * draw.lognormal(0, 0.002)),
            "here" if machines is None else machines[number],
            PARTS if parts is None else parts[number],
        )
        for number, level in enumerate(levels)
    ]


def test_a_new_artifact_is_named_where_the_step_is():
    new = {**PARTS, "arms": {"candidate": {"artifact": "y"}}}
    sessions = make([2.0] * 8 + [2.2] * 8, [100] * 16, [PARTS] * 8 + [new] * 8)
    (step,) = find_history_steps(sessions)
    assert (step.place, step.cause) == (8, "key") and step.ratio == pytest.approx(1.1, rel=0.01)
    assert [str(item) for item in step.differences] == ["arms.candidate.artifact: x → y"]


def test_a_step_that_the_kernel_shares_is_the_machines_whatever_else_changed():
    new = {**PARTS, "agent": "b"}
    sessions = make([2.0] * 8 + [2.2] * 8, [100] * 8 + [110] * 8, [PARTS] * 8 + [new] * 8)
    (step,) = find_history_steps(sessions)
    assert step.cause == "machine" and step.kernel_ratio == pytest.approx(1.1, rel=0.01)


def test_another_machine_is_named_without_a_kernel():
    (step,) = find_history_steps(make([2.0] * 8 + [3.0] * 8, machines=["here"] * 8 + ["there"] * 8))
    assert (step.cause, step.kernel_ratio) == ("machine", None)


def test_a_step_without_a_reason_says_so():
    (step,) = find_history_steps(make([2.0] * 8 + [2.2] * 8, [100] * 16))
    assert (step.cause, step.differences) == ("unknown", ())


def test_nothing_is_blamed_on_the_model_when_the_kernel_moved():
    blamed = 0
    for seed in range(20):
        sessions = make([2.0] * 30 + [2.06] * 30, [100] * 30 + [103] * 30, seed=seed)
        blamed += any(step.cause != "machine" for step in find_history_steps(sessions) if abs(step.place - 30) <= 2)
    assert blamed == 0


def test_few_sessions_have_no_steps_and_say_so():
    sessions = make([2.0, 2.0, 4.0])
    assert find_history_steps(sessions) == []
    assert describe_history("a/b/c/d", sessions, [])["reason"] == "3 sessions are too few for steps; 6 are needed"
