"""Replay: what the chooser of the runtime would have done over a trace, on a virtual clock.

A pure function of family, policy, guard, limits, trace and conditions: it reads no clock and draws nothing, so the same
inputs give the same bytes.
"""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from edgeproof.runtime.device_state import DeviceState
from edgeproof.runtime.load_ledger import LoadLedger
from edgeproof.runtime.swap_codes import COMMITTED, LOAD_FAILED, PENDING, TIMED_OUT, compose_reason
from edgeproof.runtime.variant_choice import Choice, Chooser, Situation

from .heat_model import HeatModel
from .traces import Moment

_WORDS = {False: "false", True: "true"}


class Conditions(NamedTuple):
    """What a trace does not say: who starts, how long loads take, what fails, how much work there is.

    `initial`: the first variant, None: the first declared. `load_s`: {variant: seconds}, instead of the measured load
    and first inference. `faults`: {(variant, number of the try, from 1): `fails` or `hangs`}. `requests_per_s` and
    `processors`: what makes the candidate's own load from its CPU seconds per inference.
    """

    initial: str | None = None
    load_s: Mapping[str, float] = {}
    faults: Mapping[tuple[str, int], str] = {}
    load_timeout_s: float = 60.0
    requests_per_s: float = 0.0
    processors: int = 1


class Step(NamedTuple):
    """One decision of a replay. `before`: what ran when it was decided. `active`: what runs after it.

    `codes`: what happened to loads, as `swap_codes` has it. `commits`: (time, rule that decided it) of each load that
    was committed at this step or since the one before it. `hot`, `empty`: whether the limits of heat and battery are
    reached.
    """

    at_s: float
    free_mb: float
    before: str
    active: str
    choice: Choice
    codes: tuple[str, ...]
    commits: tuple[tuple[float, str], ...]
    hot: bool
    empty: bool


class _Load(NamedTuple):
    target: str
    rule: str  # what decided that it is loaded
    ends_at_s: float
    outcome: str  # `ok`, `fails` or `hangs`


class _Loads:
    """Loads of a replay: one at a time; a failure is remembered as the engine remembers it (not in mode `seed`)."""

    def __init__(self, chooser: Chooser, conditions: Conditions) -> None:
        self._conditions, self._ledger = conditions, LoadLedger()
        self._remembers = chooser.guard.mode != "seed"
        self._tries: dict[str, int] = {}
        variants = chooser.family.variants
        self._seconds = {
            name: conditions.load_s.get(name, ((known.load_ms or 0.0) + (known.first_inference_ms or 0.0)) / 1000)
            for name, known in ((name, variant.metadata) for name, variant in variants.items())
        }
        self.pending: _Load | None = None

    def start(self, target: str, rule: str, now: float) -> None:
        """Begin a load at `now`, as `rule` has decided; one that hangs or is too slow ends at the time-out."""
        self._tries[target] = number = self._tries.get(target, 0) + 1
        outcome = self._conditions.faults.get((target, number), "ok")
        if self._seconds[target] > self._conditions.load_timeout_s:
            outcome = "hangs"
        seconds = self._conditions.load_timeout_s if outcome == "hangs" else self._seconds[target]
        self.pending = _Load(target, rule, now + seconds, outcome)

    def settle(self, room_mb: float, footprint_mb: float) -> tuple[str, bool]:
        """End the load and return (code, whether it is committed). `room_mb`: what is free beside the old variant."""
        assert self.pending is not None
        target, _, ended, outcome = self.pending
        self.pending = None
        if outcome == "ok" and footprint_mb <= room_mb:
            self._ledger.note_success(target)
            return compose_reason(COMMITTED, target), True
        if self._remembers:
            self._ledger.note_failure(target, ended)
        if outcome == "hangs":
            return compose_reason(TIMED_OUT, target), False
        return compose_reason(LOAD_FAILED, target, "injected" if outcome == "fails" else "out of memory"), False

    def list_blocks(self, now: float) -> dict[str, str]:
        """Return {variant: why it may not be loaded at `now`}."""
        return self._ledger.list_blocks(now, lambda name: None)


def replay_trace(
    chooser: Chooser, moments: Iterable[Moment], conditions: Conditions, heat: HeatModel | None = None
) -> Iterator[Step]:
    """Replay a trace: yield one step per moment. The chooser must be new: it keeps the guard's history.

    Memory: what is free without us, less the footprints of what runs and of what is being loaded. Heat: as recorded,
    and what the change of load adds by the device's model.
    """
    family, limits = chooser.family, chooser.limits
    footprints = {name: variant.metadata.memory_footprint_mb for name, variant in family.variants.items()}
    watches_heat, watches_battery = limits.heat_above_c is not None, limits.battery_below_pct is not None
    own_load = _list_own_loads(chooser, conditions)
    active = conditions.initial if conditions.initial is not None else next(iter(family.variants))
    loads, added_c, before_s = _Loads(chooser, conditions), 0.0, None
    for at_s, free_mb, load_pct, recorded_pct, heat_c, battery_pct, is_charging in moments:
        codes: list[str] = []
        commits: list[tuple[float, str]] = []
        if loads.pending is not None and loads.pending.ends_at_s <= at_s:
            target, rule, ended, _ = loads.pending
            code, done = loads.settle(free_mb - footprints[active], footprints[target])
            codes.append(code)
            if done:
                active = target
                commits.append((ended, rule))
                chooser.note_commit(ended)
        own = own_load[active]
        if heat is not None and heat_c is not None:
            added_c = (
                heat.advance(added_c, load_pct + own - recorded_pct, at_s - before_s) if before_s is not None else 0.0
            )
            heat_c += added_c
            before_s = at_s
        held = footprints[active] + (footprints[loads.pending.target] if loads.pending else 0.0)
        available = free_mb - held
        state = DeviceState(
            available if available > 0 else 0.0,
            min(100.0, load_pct + own),
            battery_pct,
            is_charging,
            heat_c,
            None,
            None,
            at_s,
        )
        blocked, before = loads.list_blocks(at_s), active
        choice = chooser.choose(Situation(state, active, at_s, None, loads.pending is not None, blocked))
        if choice.target is not None:
            codes.append(compose_reason(PENDING, choice.target))
            loads.start(choice.target, choice.rule, at_s)
            if loads.pending is not None and loads.pending.ends_at_s <= at_s:
                code, done = loads.settle(free_mb - footprints[active], footprints[choice.target])
                codes.append(code)
                if done:
                    active = choice.target
                    commits.append((at_s, choice.rule))
                    chooser.note_commit(at_s)
        hot = watches_heat and limits.measure_heat(state) is not None
        empty = watches_battery and limits.measure_battery(state) is not None
        yield Step(at_s, free_mb, before, active, choice, tuple(codes), tuple(commits), hot, empty)


def render_step(step: Step, mode: str) -> str:
    """Return one step of a trace's replay as a line of `decisions.jsonl`.

    `verdicts`: {variant: [feasible, loadable, the constraint that binds, its margin]}.
    """
    choice = step.choice
    verdicts = ",".join(
        f'{_quote(name)}:[{_WORDS[feasible]},{_WORDS[loadable]},"{constraint}",{margin:.3f}]'
        for name, feasible, loadable, constraint, margin in choice.verdicts
    )
    codes = ",".join(map(_quote, step.codes))
    return (
        f'{{"mode":"{mode}","at_s":{step.at_s:.3f},"recommended":{_quote(choice.recommended)},"rule":"{choice.rule}",'
        f'"fallback":{_WORDS[choice.fallback]},"active":{_quote(step.active)},"codes":[{codes}],'
        f'"verdicts":{{{verdicts}}}}}\n'
    )


@functools.lru_cache(maxsize=256)
def _quote(text: str) -> str:
    """Return a name or a code as JSON; the same few occur in every line."""
    return json.dumps(text)


def _list_own_loads(chooser: Chooser, conditions: Conditions) -> dict[str, float]:
    """Return {variant: percent of all processors that it takes at the declared rate}; 0 where nobody measured it."""
    return {
        name: min(
            100.0, 100.0 * conditions.requests_per_s * (variant.metadata.cpu_seconds or 0.0) / conditions.processors
        )
        for name, variant in chooser.family.variants.items()
    }
