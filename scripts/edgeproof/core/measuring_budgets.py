"""How long a campaign's measurements may take, from its protocol's budgets, before anything was measured."""

from collections.abc import Mapping
from typing import NamedTuple

from .campaign import Campaign
from .configuration import Json
from .formatting import plain, plural

_START = 1.0  # seconds that a fresh process takes until it measures, about
PAIR_SECONDS = 5.0  # where a protocol does not say how long a pair may take, as the agent has it


class MeasuringBudget(NamedTuple):
    """How many jobs of a kind a campaign may need, and the seconds that one of them takes at most, on average."""

    jobs: int
    seconds: float


def budget_measuring(campaign: Campaign, protocols: Mapping[str, Json]) -> dict[str, MeasuringBudget]:
    """Return {rule: MeasuringBudget} of what a campaign measures; only kinds that it has.

    A cell takes longer where its model is so slow that the samples asked for need more than the protocol's seconds.
    Links and plans have no budget.
    """
    protocol = protocols[campaign.protocol]
    pair = _cost_pair(protocol)
    pairs = [
        min((own.pairs or protocol["pairs"]) * pair, own.seconds or protocol.get("seconds") or float("inf"))
        for own in campaign.comparisons.values()
    ]
    calibration = campaign.calibration
    found = {
        "measure_run": MeasuringBudget(len(campaign.cells), _cost_run(protocol)),
        "measure_pairs": MeasuringBudget(len(pairs), sum(pairs) / max(1, len(pairs))),
    }
    if calibration:
        cost = calibration["pairs"] * calibration["sessions"] * pair
        found["calibrate_cell"] = MeasuringBudget(len(calibration["cells"]), cost)
    return {rule: budget for rule, budget in found.items() if budget.jobs}


def sum_budgets(budgets: Mapping[str, MeasuringBudget]) -> float:
    """Return the seconds that all of a campaign's measuring with a budget may take."""
    return sum(budget.jobs * budget.seconds for budget in budgets.values())


def name_counts(counts: Mapping[str, int]) -> str:
    """Return how much measuring a budget is for, "4 cells, 1 comparison", of {what, in the plural: how many}."""
    return ", ".join(plain(plural(count, name.removesuffix("s"))) for name, count in counts.items())


def _cost_run(protocol: Json) -> float:
    load: float = protocol["load"]["seconds"] if protocol.get("load") else 0.0
    measured = max(protocol["warmup_seconds"] + protocol["min_seconds"], load)
    return protocol.get("sessions", 1) * protocol["processes"] * (_START + measured)


def _cost_pair(protocol: Json) -> float:
    """Return the seconds that the blocks of a pair are planned for, loading included."""
    return protocol.get("pair_seconds", PAIR_SECONDS)
