"""Selection policies: which of the variants that fit should run.

`select` and `select_with_explanation` behave as EdgeAdapt 0.1.0 does, to the letter; mode `seed` calls them. Mode
`fixed` asks for a policy's scores instead (`score`), which are compared among candidates: where two scores are not
known to differ, the variant that costs less to swap to is taken, so the incumbent if it is one of them.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

from .device_state import DeviceState
from .feasibility import judge_as_seed
from .variants import Interval, ModelFamily, Variant

TOLERANCE = 1e-9  # two scores this close are equal
Wish = Callable[[DeviceState, ModelFamily], str]


class Score(NamedTuple):
    """A variant's value for a policy, more is better, and the interval in which it lies."""

    value: float
    low: float
    high: float


class BasePolicy:
    """A policy. Derive from it and write `select`; write `score` as well if your policy has an objective."""

    latency_ceiling_ms: Optional[float] = None

    def select(self, state: DeviceState, family: ModelFamily) -> str:
        """Return the name of the variant that should run."""
        raise NotImplementedError

    def select_with_explanation(self, state: DeviceState, family: ModelFamily) -> Tuple[str, Dict[str, Any]]:
        """Return the name of the variant that should run, and why."""
        return self.select(state, family), {"policy": type(self).__name__}

    def score(self, variant: Variant, family: ModelFamily) -> Optional[Score]:
        """Return a variant's score, which must depend on nothing else; None if the policy has no objective."""
        return None

    def admits(self, variant: Variant) -> bool:
        """Tell whether the policy wants a variant at all where it has a choice."""
        return True


class MaximizeAccuracy(BasePolicy):
    """The most accurate variant that fits."""

    def __init__(self, *, latency_ceiling_ms: Optional[float] = None) -> None:
        self.latency_ceiling_ms = latency_ceiling_ms

    def select(self, state: DeviceState, family: ModelFamily) -> str:
        """Return the most accurate feasible variant, in declared order among equals; none feasible: the most
        accurate.
        """
        return self.select_with_explanation(state, family)[0]

    def select_with_explanation(self, state: DeviceState, family: ModelFamily) -> Tuple[str, Dict[str, Any]]:
        """Return the choice and {policy, latency_ceiling_ms, ranked_variants, note}."""
        fits = {verdict.name: verdict.feasible for verdict in judge_as_seed(state, family, self.latency_ceiling_ms)}
        ranked = sorted(family.variants.values(), key=lambda item: -item.metadata.accuracy_score)
        chosen = next((item.name for item in ranked if fits[item.name]), None)
        return chosen or ranked[0].name, {
            "policy": "MaximizeAccuracy",
            "latency_ceiling_ms": self.latency_ceiling_ms,
            "ranked_variants": [
                {"name": item.name, "accuracy": item.metadata.accuracy_score, "feasible": fits[item.name]}
                for item in ranked
            ],
            "note": None if chosen else "no variant fits; the most accurate is named",
        }

    def score(self, variant: Variant, family: ModelFamily) -> Score:
        """Return the accuracy, from 0 to 1."""
        return _with_interval(variant.metadata.accuracy_score, variant.metadata.accuracy_interval)


class MinimizePower(BasePolicy):
    """The variant of least power among those that are accurate enough: energy where all have it, else its rank."""

    def __init__(self, *, min_accuracy_floor: float = 0.5) -> None:
        if not 0.0 <= min_accuracy_floor <= 1.0:
            raise ValueError(f"min_accuracy_floor is {min_accuracy_floor!r}; it lies between 0 and 1")
        self.min_accuracy_floor = min_accuracy_floor

    def select(self, state: DeviceState, family: ModelFamily) -> str:
        """Return the variant of the lowest power rank, in declared order among equals. The state is not looked at."""
        return self.select_with_explanation(state, family)[0]

    def select_with_explanation(self, state: DeviceState, family: ModelFamily) -> Tuple[str, Dict[str, Any]]:
        """Return the choice and {policy, min_accuracy_floor, candidates_ordered}."""
        every = list(family.variants.values())
        wanted = [item for item in every if item.metadata.accuracy_score >= self.min_accuracy_floor] or every
        ordered = [item.name for item in sorted(wanted, key=lambda item: item.metadata.power_rank)]
        return ordered[0], {
            "policy": "MinimizePower",
            "min_accuracy_floor": self.min_accuracy_floor,
            "candidates_ordered": ordered,
        }

    def score(self, variant: Variant, family: ModelFamily) -> Score:
        """Return −energy in joules if all variants have it, else −rank."""
        energies = [item.metadata.energy_j for item in family.variants.values()]
        known = None not in energies and variant.metadata.energy_j is not None
        value = -float(variant.metadata.energy_j or 0.0) if known else -float(variant.metadata.power_rank)
        return Score(value, value, value)

    def admits(self, variant: Variant) -> bool:
        """Tell whether a variant reaches the floor."""
        return variant.metadata.accuracy_score >= self.min_accuracy_floor - TOLERANCE


class Balanced(BasePolicy):
    """The highest weighted sum of accuracy, latency below the ceiling, and low power.

    Weights are divided by their sum.
    """

    def __init__(
        self, *, latency_ceiling_ms: float, w_acc: float = 0.5, w_lat: float = 0.3, w_pwr: float = 0.2
    ) -> None:
        if latency_ceiling_ms <= 0:
            raise ValueError(f"latency_ceiling_ms is {latency_ceiling_ms!r}; it must be positive")
        total = w_acc + w_lat + w_pwr
        if total <= 0:
            raise ValueError("the sum of the weights must be positive")
        self._ceiling_ms = self.latency_ceiling_ms = latency_ceiling_ms
        self._weights = (w_acc / total, w_lat / total, w_pwr / total)

    def select(self, state: DeviceState, family: ModelFamily) -> str:
        """Return the feasible variant of the highest sum, the first among equals; none feasible: the first declared."""
        return self.select_with_explanation(state, family)[0]

    def select_with_explanation(self, state: DeviceState, family: ModelFamily) -> Tuple[str, Dict[str, Any]]:
        """Return the choice and {policy, weights, composite_scores, note}."""
        scores: Dict[str, float] = {}
        for verdict in judge_as_seed(state, family, self.latency_ceiling_ms):
            if verdict.feasible:
                scores[verdict.name] = self.score(family.variants[verdict.name], family).value
        chosen = max(scores, key=lambda name: scores[name]) if scores else next(iter(family.variants))
        return chosen, {
            "policy": "Balanced",
            "weights": dict(zip(("acc", "lat", "pwr"), self._weights)),
            "composite_scores": scores,
            "note": None if scores else "no variant fits; the first declared is named",
        }

    def score(self, variant: Variant, family: ModelFamily) -> Score:
        """Return wa·accuracy + wl·(1 − min(1, latency / ceiling)) + wp·(1 − rank / max(3, n)), n variants."""
        known, count = variant.metadata, max(3, len(family.variants))
        accuracy = _with_interval(known.accuracy_score, known.accuracy_interval)
        latency = _with_interval(known.expected_latency_ms, known.latency_interval_ms)

        def join(share: float, milliseconds: float) -> float:
            slack = 1.0 - min(1.0, milliseconds / self._ceiling_ms)
            power = 1.0 - known.power_rank / count
            return self._weights[0] * share + self._weights[1] * slack + self._weights[2] * power

        value = join(accuracy.value, latency.value)
        return Score(value, join(accuracy.low, latency.high), join(accuracy.high, latency.low))


class LambdaPolicy(BasePolicy):
    """A callable as a policy: from (state, family) to the name of a variant. It has no objective."""

    def __init__(self, fn: Wish) -> None:
        self._fn = fn

    def select(self, state: DeviceState, family: ModelFamily) -> str:
        """Return what the callable returns."""
        return self._fn(state, family)

    def select_with_explanation(self, state: DeviceState, family: ModelFamily) -> Tuple[str, Dict[str, Any]]:
        """Return what the callable returns and {policy, callable}."""
        name = getattr(self._fn, "__name__", repr(self._fn))
        return self._fn(state, family), {"policy": "LambdaPolicy", "callable": name}


def as_policy(policy: Union[BasePolicy, Wish]) -> BasePolicy:
    """Return a selection policy as it is, or a bare callable as one; TypeError for anything else."""
    if isinstance(policy, BasePolicy):
        return policy
    if callable(policy):
        return LambdaPolicy(policy)
    raise TypeError(f"{policy!r} is neither a policy nor a function of (state, family)")


class Preference:
    """A policy's scores over one family, for choosing among candidates. `scored`: whether the policy has any."""

    def __init__(self, policy: BasePolicy, family: ModelFamily) -> None:
        self._variants = list(family.variants.values())
        self._order = {item.name: number for number, item in enumerate(self._variants)}
        self._loads = {item.name: item.metadata.load_ms for item in self._variants}
        self._admitted = {item.name: policy.admits(item) for item in self._variants}
        self._scores: Dict[str, Score] = {}
        for item in self._variants:
            score = policy.score(item, family)
            if score is not None:
                self._scores[item.name] = score
        self.scored = len(self._scores) == len(self._variants)
        self._answers: Dict[Tuple[Tuple[str, ...], str], str] = {}

    def choose(self, candidates: Tuple[str, ...], incumbent: str) -> str:
        """Return the candidate that should run. Among those not known to be worse than the best: the incumbent, else
        the one loaded soonest where all load times are known, else the best.
        """
        key = (candidates, incumbent)
        if key not in self._answers:
            self._answers[key] = self._choose(candidates, incumbent)
        return self._answers[key]

    def measure_gain(self, recommended: str, current: str) -> Optional[float]:
        """Return how much better a variant scores than the current one; None if no threshold applies: the policy has no
        objective, or it does not want the current variant at all.
        """
        if not self.scored or (self._admitted[recommended] and not self._admitted[current]):
            return None
        return self._scores[recommended].value - self._scores[current].value

    def value_of(self, name: str) -> Optional[float]:
        """Return a variant's score, None if the policy has none."""
        return self._scores[name].value if self.scored else None

    def scale(self) -> Optional[Dict[str, float]]:
        """Return {variant: its score, 0 for the least and 1 for the best}, 0 where the policy does not want it; None if
        the policy has no objective.
        """
        if not self.scored:
            return None
        wanted = [name for name in self._scores if self._admitted[name]] or list(self._scores)
        values = [self._scores[name].value for name in wanted]
        low, span = min(values), max(values) - min(values)
        return {
            name: 0.0 if name not in wanted else 1.0 if span <= TOLERANCE else (score.value - low) / span
            for name, score in self._scores.items()
        }

    def list_ties(self, candidates: Sequence[str]) -> List[str]:
        """Return the candidates that are not known to score worse than the best of them, the best first."""
        wanted = [name for name in candidates if self._admitted[name]] or list(candidates)
        wanted.sort(key=lambda name: (-self._scores[name].value, self._order[name]))
        floor = self._scores[wanted[0]].low - TOLERANCE
        return [name for name in wanted if self._scores[name].high >= floor]

    def _choose(self, candidates: Tuple[str, ...], incumbent: str) -> str:
        ties = self.list_ties(candidates)
        if incumbent in ties:
            return incumbent
        times = [self._loads[name] for name in ties]
        if None in times:
            return ties[0]
        return min(ties, key=lambda name: (self._loads[name] or 0.0, ties.index(name)))


def _with_interval(value: float, interval: Optional[Interval]) -> Score:
    low, high = interval or (value, value)
    return Score(value, min(low, value), max(high, value))
