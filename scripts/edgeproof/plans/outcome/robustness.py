"""How robust a plan is: resample the measured numbers, solve again, and count how often the plan stays the best.

One draw resamples the processes behind every measured number with replacement and takes the median of their medians;
numbers of one result are resampled together. A number with only an interval is drawn from the normal distribution with
that interval. Declared numbers have no interval and stay as they are, and so do the references of the score.

A stage in a pipeline does not take what it takes alone. The scenario says by how much it may differ (`stage_error`),
and every draw multiplies every stage's latency by a factor from that range. Probabilities have a 95 % interval (Wilson
1927) for the number of draws.
"""

import math
import random
import statistics
from dataclasses import dataclass
from statistics import NormalDist

from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.goals import Goal, compile_goal, measure_level
from edgeproof.plans.scenario.model import Place, Placement, Scenario, Schedule
from edgeproof.plans.scenario.timeline import retime_schedule, trace_schedule
from edgeproof.plans.solver.search import Answer, Effort, find_plans

from .plan_notes import name_resampled_number

Candidate = tuple[Placement, Schedule | None]
_POOL = 8
_FREEZE_DRAWS = 100


@dataclass(frozen=True)
class Contender:
    """A placement that was best in some draw, or is the plan. Regrets have the unit of the goal's first level.

    Each probability has its 95 % interval for the number of draws.
    """

    placement: Placement
    probability_best: float
    best_interval: tuple[float, float]
    probability_feasible: float
    feasible_interval: tuple[float, float]
    expected_regret: float | None
    worst_regret: float | None


@dataclass(frozen=True)
class Repeat:
    """The measurement to repeat first: if its value were certain, the plan's expected regret would fall most."""

    result: str
    places: tuple[str, ...]
    expected_regret_after: float
    probability_best_after: float


@dataclass(frozen=True)
class Robustness:
    """What `draws` resamplings say about a plan. `contenders[0]` is the plan, the others follow by wins."""

    draws: int
    seed: int
    uncertain: int
    fixed: int
    contenders: tuple[Contender, ...]
    latency_quantiles_ms: tuple[float, ...]
    infeasible_draws: int
    repeat: Repeat | None


def assess_robustness(
    problem: Problem, goal_name: str, answer: Answer, draws: int = 200, seed: int = 0, effort: Effort | None = None
) -> Robustness | None:
    """Return the `Robustness` of the first plan of `answer`; None when nothing of the scenario is uncertain."""
    scenario = problem.scenario
    sampler = Sampler(scenario)
    if not sampler.draws_anything or not answer.placements:
        return None
    effort = effort or Effort(seconds=10.0)
    references = (problem.latency_ref, problem.energy_ref)
    plan = (answer.placements[0], answer.schedules[0])
    pool = {plan[0]: plan[1]}
    for placement, schedule in zip(answer.placements[1:], answer.schedules[1:], strict=True):
        pool.setdefault(placement, schedule)
    rng = random.Random(seed)
    trials, wins, best_values = [], {}, []
    for _ in range(draws):
        values, factors = sampler.draw(rng), sampler.draw_factors(rng)
        trial = Problem(scenario.with_values(sampler.scale(values, factors)), problem.memory_rule, references)
        goal = compile_goal(goal_name, trial)
        found = find_plans(trial, goal, effort=effort)
        trials.append((values, factors, trial, goal))
        best_values.append(found.objective)
        if found.placements:
            wins[found.placements[0]] = wins.get(found.placements[0], 0) + 1
            pool.setdefault(found.placements[0], found.schedules[0])
    kept = sorted(pool, key=lambda placement: (placement != plan[0], -wins.get(placement, 0)))[:_POOL]
    contenders, latencies = [], []
    for placement in kept:
        rows = [_value(trial, goal, placement, pool[placement]) for *_, trial, goal in trials]
        contenders.append(_summarize(placement, rows, best_values, wins.get(placement, 0), draws))
        if placement == plan[0]:
            latencies = sorted(_latency(trial, placement, pool[placement]) for *_, trial, _ in trials)
    candidates = [(placement, pool[placement]) for placement in kept]
    return Robustness(
        draws=draws,
        seed=seed,
        uncertain=sum(len(places) for places in sampler.groups.values()),
        fixed=sampler.count_fixed(),
        contenders=tuple(contenders),
        latency_quantiles_ms=tuple(latencies[min(int(q * draws), draws - 1)] for q in (0.05, 0.5, 0.95)),
        infeasible_draws=sum(1 for value in best_values if value is None),
        repeat=_choose_repeat(problem, sampler, candidates, trials[:_FREEZE_DRAWS]),
    )


class Sampler:
    """Draws values for the uncertain numbers of a scenario; `groups` maps a result file (or a place) to its places."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.groups = {}
        for place, quantity in scenario.quantities.items():
            if quantity.uncertain:
                self.groups.setdefault(quantity.result or name_resampled_number(scenario, place), []).append(place)

    @property
    def draws_anything(self) -> bool:
        """Whether some number is uncertain, or stages may differ from what they take alone."""
        return bool(self.groups) or self.scenario.stage_error > 0

    def draw_factors(self, rng: random.Random) -> dict[Place, float]:
        """Return by which factor each stage's latency on each executor differs in the pipeline, in one draw."""
        error = self.scenario.stage_error
        if error <= 0:
            return {}
        return {
            ("option", i, o, "latency_ms"): rng.uniform(1 - error, 1 + error)
            for i, stage in enumerate(self.scenario.stages)
            for o in range(len(stage.options))
        }

    def scale(self, values: dict[Place, float], factors: dict[Place, float]) -> dict[Place, float]:
        """Return values with the factors applied; a number that was not drawn keeps its own value."""
        scaled = dict(values)
        for place, factor in factors.items():
            own = self.scenario.stages[place[1]].options[place[2]].latency_ms
            drawn = values.get(place)
            scaled[place] = factor * (own if drawn is None else drawn)
        return scaled

    def count_fixed(self) -> int:
        """Return how many numbers (latency and energy of options and links) have no interval."""
        numbers = sum(2 * len(stage.options) for stage in self.scenario.stages) + 2 * len(self.scenario.links)
        return max(0, numbers - sum(len(places) for places in self.groups.values()))

    def draw(self, rng: random.Random) -> dict[Place, float]:
        """Return `{place: value}` of one resampling."""
        values = {}
        for places in self.groups.values():
            picks = {}
            for place in places:
                quantity = self.scenario.quantities[place]
                count = len(quantity.process_medians)
                if count > 1:
                    if count not in picks:
                        picks[count] = [rng.randrange(count) for _ in range(count)]
                    values[place] = statistics.median(quantity.process_medians[i] for i in picks[count])
                elif quantity.interval is not None:
                    low, high = quantity.interval
                    spread = (high - low) / 2 / NormalDist().inv_cdf(0.5 + quantity.confidence / 2)
                    values[place] = max(0.0, rng.gauss(quantity.value, spread))
        return values


def _value(problem: Problem, goal: Goal, placement: Placement, schedule: Schedule | None) -> float | None:
    """Return the first level's value of a fixed plan under a draw's costs; None when it breaks a limit under them."""
    if schedule is None:
        if not problem.is_feasible(placement):
            return None
        return measure_level(problem, goal.levels[0], placement, None)
    moved = retime_schedule(problem, placement, schedule)
    timeline = trace_schedule(problem, placement, moved)
    totals = problem.require_totals(placement)._replace(latency=timeline.end, memory=timeline.memory)
    if not problem.caps.allow(totals):
        return None
    deadlines = problem.caps.deadlines
    for event in timeline.events:
        cap = None if event.stage is None else deadlines[event.stage]
        if cap is not None and event.end > cap:
            return None
    return float(goal.levels[0].value(totals) * goal.levels[0].scale)


def _latency(problem, placement, schedule):
    if schedule is None:
        return problem.require_totals(placement).latency / UNIT
    return trace_schedule(problem, placement, retime_schedule(problem, placement, schedule)).end / UNIT


def _summarize(placement, rows, best_values, wins, draws):
    regrets = [max(0.0, v - b) for v, b in zip(rows, best_values, strict=True) if v is not None and b is not None]
    kept = sum(1 for row in rows if row is not None)
    return Contender(
        placement=placement,
        probability_best=wins / draws,
        best_interval=_bound_probability(wins, draws),
        probability_feasible=kept / draws,
        feasible_interval=_bound_probability(kept, draws),
        expected_regret=statistics.fmean(regrets) if regrets else None,
        worst_regret=max(regrets) if regrets else None,
    )


def _bound_probability(hits: int, draws: int) -> tuple[float, float]:
    """Return the 95 % interval of a probability of which `hits` in `draws` draws were seen (Wilson 1927)."""
    z, share = NormalDist().inv_cdf(0.975), hits / draws
    middle = (share + z * z / (2 * draws)) / (1 + z * z / draws)
    half = z / (1 + z * z / draws) * math.sqrt(share * (1 - share) / draws + z * z / (4 * draws * draws))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (0.0 if hits == 0 else low), (1.0 if hits == draws else high)


def _choose_repeat(
    problem: Problem,
    sampler: Sampler,
    candidates: list[Candidate],
    trials: list[tuple[dict[Place, float], dict[Place, float], Problem, Goal]],
) -> Repeat | None:
    """Return the measurement to repeat first, None when no measurement lowers the expected regret.

    Each measurement in turn is held at its point value in all trials; the one that leaves the least expected regret is
    returned. In a draw in which the plan breaks a limit, its regret is the spread of the candidates' values above the
    worst of them.
    """
    before = _score_pool(candidates, [(trial, goal) for *_, trial, goal in trials])
    used = _places_in_use(problem, candidates)
    choices = []
    for result, places in sampler.groups.items():
        if not used & set(places):
            continue
        frozen = []
        for values, factors, trial, goal in trials:
            held = {place: problem.scenario.quantities[place].value for place in places}
            scenario = problem.scenario.with_values(sampler.scale({**values, **held}, factors))
            references = (trial.latency_ref, trial.energy_ref)
            frozen.append((Problem(scenario, problem.memory_rule, references), goal))
        regret, probability = _score_pool(candidates, frozen)
        choices.append((regret, -probability, result, tuple(places)))
    if not choices or before[0] <= 0:
        return None
    regret, probability, result, places = min(choices, key=lambda choice: choice[:3])
    if regret >= before[0]:
        return None
    return Repeat(result, tuple(name_resampled_number(problem.scenario, p) for p in places), regret, -probability)


def _score_pool(candidates: list[Candidate], trials: list[tuple[Problem, Goal]]) -> tuple[float, float]:
    """Return (expected regret, probability of being best) of the first candidate among the candidates."""
    regrets, best = [], 0
    for trial, goal in trials:
        values = [_value(trial, goal, placement, schedule) for placement, schedule in candidates]
        known = [value for value in values if value is not None]
        if not known:
            continue
        mine = values[0] if values[0] is not None else max(known) + (max(known) - min(known))
        regrets.append(mine - min(known))
        best += values[0] is not None and mine <= min(known)
    return (statistics.fmean(regrets), best / len(trials)) if regrets else (0.0, 0.0)


def _places_in_use(problem: Problem, candidates: list[Candidate]) -> set[Place]:
    """Return the places whose numbers enter the cost of at least one candidate."""
    used = set()
    for placement, _ in candidates:
        for stage, option in enumerate(placement):
            used |= {
                ("option", stage, option, key)
                for key in ("latency_ms", "energy_mj", "weights_mb", "activations_mb", "accuracy_drop")
            }
        for crossing in problem.require_crossings(placement):
            link = problem.channel.get((crossing.source, crossing.target))
            used |= {("link", link, key) for key in ("latency_ms_per_mb", "energy_mj_per_mb", "setup_ms", "setup_mj")}
    return used
