"""Stages that overlap in time on devices sharing memory slow each other.

While stages run on devices b, c, …, one on device a loses the share 1 − 1/factor(a, b) of its speed for each of them:
for two devices it takes `factor` times as long, and with several, losses add up. So a stage that takes d alone ends
after D with D = d + Σ loss · overlap, where the overlaps are those with what actually runs. Copies do not slow anybody.
"""

from collections.abc import Sequence, Set
from fractions import Fraction
from pathlib import Path

from edgeproof.core.errors import UserError

from .model import Scenario

_DENOMINATOR = 1000  # largest of a loss: at most a millionth off, and exact for 1.25, 1.5, 2, …
_NONE = Fraction(0)


def _find_loss(factor: float) -> Fraction:
    """Return the share of its speed that a stage loses at a factor."""
    return max(_NONE, Fraction(1 - 1 / factor).limit_denominator(_DENOMINATOR)) if factor > 0 else _NONE


def tabulate_losses(scenario: Scenario) -> list[list[Fraction]] | None:
    """Return the contention of a scenario, `losses[slowed][by]`; None where nobody slows anybody.

    That is so in all but scheduled execution.
    """
    if scenario.execution != "scheduled" or not scenario.contention:
        return None
    count = len(scenario.devices)
    losses = [[_NONE] * count for _ in range(count)]
    for row in scenario.contention:
        losses[row.slowed][row.by] = _find_loss(row.factor)
    return losses if any(map(any, losses)) else None


def check_losses(scenario: Scenario, where: str | Path) -> None:
    """Raise UserError where contention does not count, or would bring a device to a standstill."""
    if scenario.execution != "scheduled":
        raise UserError(f"{where}: contention counts in scheduled execution only, not in {scenario.execution}")
    if scenario.limits.period_ms is not None:
        raise UserError(f"{where}: max_period_ms: periods do not count contention; leave one of them out")
    for device, row in zip(scenario.devices, tabulate_losses(scenario) or [], strict=False):
        if sum(row) >= 1:
            raise UserError(f"{where}: contention: all others together bring {device.name!r} to a standstill")


def run_side_by_side(
    work: Sequence[int],
    devices: Sequence[int | None],
    release: Sequence[int],
    before: Sequence[Set[int]],
    losses: list[list[Fraction]],
) -> tuple[list[int], list[int]]:
    """Return (starts, ends) of events under contention: they begin as early as they can and slow each other, in units.

    `work`: what each takes alone; `devices`: None for a copy; `release`: not before; `before`: events that have to end
    first. Ends are rounded up to whole units. ValueError where events wait for each other in a circle.
    """
    left = [Fraction(amount) for amount in work]
    starts, ends, running, now = [-1] * len(work), [-1] * len(work), set(), 0
    waiting = set(range(len(work)))
    while waiting or running:
        ready = {i for i in waiting if all(0 <= ends[j] <= now for j in before[i])}
        due = {i for i in ready if release[i] <= now}
        for i in due:
            starts[i] = now
        waiting -= due
        running |= due
        finished = {i for i in running if left[i] <= 0}
        if finished:
            for i in finished:
                ends[i] = now
            running -= finished
            continue
        speeds = {i: 1 - sum(_lose(losses, devices[i], devices[j]) for j in running if j != i) for i in running}
        steps = [-(-left[i] // speed) for i, speed in speeds.items()]
        steps += [release[i] - now for i in ready - due]
        if not steps:
            raise ValueError("events wait for each other")
        step = min(steps)
        now += step
        for i, speed in speeds.items():
            left[i] -= step * speed
    return starts, ends


def _lose(losses: list[list[Fraction]], slowed: int | None, by: int | None) -> Fraction:
    return _NONE if slowed is None or by is None else losses[slowed][by]
