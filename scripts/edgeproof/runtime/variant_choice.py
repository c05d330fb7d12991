"""One decision: from the device's state to the variant that should be loaded now, or none.

The engine on the device and the replay of a trace both ask `Chooser.choose`, so what a replay shows is what the engine
does with the same state.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from .device_state import DeviceState
from .feasibility import UNITS, Feasibility, Limits, Verdict, judge_as_seed
from .selection import BasePolicy, Preference, as_policy
from .stability import SWAPPING, Proposal, StabilityGuard
from .variants import ModelFamily

_NONE: Mapping[str, str] = {}


class Situation(NamedTuple):
    """What a decision rests on. `now`: seconds of a monotonic clock.

    `resident_mb`: what the incumbent holds, in MiB, as measured; None: its declared footprint is taken. `loading`: a
    load is running. `blocked`: {variant: `io`, `capability`, `backoff` or `quarantine`}, what may not be loaded.
    """

    state: DeviceState
    incumbent: str
    now: float
    resident_mb: Optional[float] = None
    loading: bool = False
    blocked: Mapping[str, str] = _NONE


class Choice(NamedTuple):
    """A decision. `rule`: what decided, one of `stability.RULES`. `target`: the variant to load now, None: hold.

    `fallback`: nothing that fits can be loaded, so the target is the smallest that can. `resident_origin`: `measured`
    or `declared`.
    """

    recommended: str
    rule: str
    target: Optional[str]
    fallback: bool
    verdicts: Tuple[Verdict, ...]
    resident_mb: float
    resident_origin: str


class Chooser:
    """Decides for one family. It keeps the guard's history: tell it of commits with `note_commit`.

    `policy`: a policy or a function of (state, family). `guard`: its mode is that of the decision (`fixed` by default).
    A guard that wraps another policy than `policy` is a ValueError: one of them would be ignored.
    """

    def __init__(
        self,
        family: ModelFamily,
        policy: Union[BasePolicy, Callable[[DeviceState, ModelFamily], str], None] = None,
        guard: Optional[StabilityGuard] = None,
        limits: Optional[Limits] = None,
    ) -> None:
        self.guard = guard if guard is not None else StabilityGuard()
        self.limits = limits if limits is not None else Limits()
        inner = self.guard.inner
        if policy is None and inner is None:
            raise ValueError("there is no policy: give one, or a guard that wraps one")
        if policy is not None and inner is not None and policy is not inner:
            raise ValueError("the guard wraps another policy than the one given; give one of them")
        self.policy = as_policy(policy if policy is not None else inner)  # pyright: ignore[reportArgumentType]
        self.family = family
        self._variants: Any = None
        self._prepare()

    def choose(self, situation: Situation) -> Choice:
        """Return what to do. An exception of the policy is the caller's; nothing has changed then."""
        if self.family.variants is not self._variants:
            self._prepare()  # a benchmark has replaced what was known of a variant
        declared = self._feasibility.footprints[situation.incumbent]
        measured = situation.resident_mb is not None
        resident = situation.resident_mb if situation.resident_mb is not None else declared
        origin = "measured" if measured else "declared"
        if self.guard.mode == "seed":
            return self._choose_as_seed(situation, resident, origin)
        verdicts = self._feasibility.judge(situation.state, situation.incumbent, resident, situation.blocked)
        fits = True
        candidates: List[str] = []
        for verdict in verdicts:
            if verdict.name == situation.incumbent:
                fits = verdict.feasible
                if fits:
                    candidates.append(verdict.name)
            elif verdict.feasible and verdict.loadable:
                candidates.append(verdict.name)
        recommended, fallback = self._recommend(situation, tuple(candidates), fits, verdicts)
        if recommended is None:
            self.guard.counters["outside"] += 1
            return Choice(situation.incumbent, "outside", None, False, verdicts, resident, origin)
        gain = self._preference.measure_gain(recommended, situation.incumbent)
        rule = self.guard.judge(
            Proposal(situation.incumbent, recommended, situation.now, situation.loading, not fits, gain)
        )
        target = recommended if rule in SWAPPING else None
        return Choice(recommended, rule, target, fallback, verdicts, resident, origin)

    def note_commit(self, now: float) -> None:
        """Tell the guard that a load has been committed at `now`."""
        self.guard.note_commit(now)

    def scale_scores(self) -> Optional[Dict[str, float]]:
        """Return {variant: its score for the policy, from 0 to 1}; None if the policy has no objective."""
        return self._preference.scale()

    def meets_ceiling(self, name: str) -> bool:
        """Tell whether a variant is within the policy's latency ceiling."""
        return self._feasibility.meets_ceiling(name)

    def explain(self, choice: Choice) -> Dict[str, Any]:
        """Return a decision as JSON: what was recommended, what decided, and each variant's binding constraint."""
        return {
            "policy": type(self.policy).__name__,
            "mode": self.guard.mode,
            "recommended": choice.recommended,
            "rule": choice.rule,
            "target": choice.target,
            "fallback": choice.fallback,
            "resident_mb": choice.resident_mb,
            "resident_origin": choice.resident_origin,
            "verdicts": [{**verdict._asdict(), "unit": UNITS.get(verdict.constraint)} for verdict in choice.verdicts],
            "scores": {name: self._preference.value_of(name) for name in self.family.variants},
        }

    def _prepare(self) -> None:
        self._variants = self.family.variants
        self._feasibility = Feasibility(self.family, self.limits, self.policy.latency_ceiling_ms)
        self._preference = Preference(self.policy, self.family)

    def _recommend(
        self, situation: Situation, candidates: Tuple[str, ...], fits: bool, verdicts: Tuple[Verdict, ...]
    ) -> Tuple[Optional[str], bool]:
        """Return (variant, whether it is a fallback); None for a wish that the policy may not have."""
        if candidates:
            if self._preference.scored:
                return self._preference.choose(candidates, situation.incumbent), False
            wish = self.policy.select(situation.state, self.family)
            if wish in candidates:
                return wish, False
            if fits:
                return None, False
            return min(candidates, key=self._footprint_of), True
        loadable = [item.name for item in verdicts if item.loadable and item.name != situation.incumbent]
        smallest = min(loadable, key=self._footprint_of, default=situation.incumbent)
        if self._footprint_of(smallest) < self._footprint_of(situation.incumbent):
            return smallest, True
        return situation.incumbent, False

    def _footprint_of(self, name: str) -> float:
        return self._feasibility.footprints[name]

    def _choose_as_seed(self, situation: Situation, resident: float, origin: str) -> Choice:
        recommended = self.policy.select(situation.state, self.family)
        proposal = Proposal(situation.incumbent, recommended, situation.now)
        rule = "in_flight" if situation.loading else self.guard.judge(proposal, self.family)
        verdicts = judge_as_seed(situation.state, self.family, self.policy.latency_ceiling_ms)
        target = recommended if rule in SWAPPING and recommended in self.family.variants else None
        return Choice(recommended, rule, target, False, verdicts, resident, origin)
