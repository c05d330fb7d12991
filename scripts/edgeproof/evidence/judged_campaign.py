"""What the gate says of a campaign, as its words and its files need it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from edgeproof.core.configuration import Json
from edgeproof.core.layout import Cell

from .stale import Stale


@dataclass(frozen=True)
class JudgedCampaign:
    """What the gate says of a campaign. `cells`, `compared`, `plans`: entries of gate.json, {state, reasons, …};
    `compared`: of the gated comparisons. `comparisons`: all of them. `labels`: how many results have each label that
    limits trust. `kinds`: what could be tolerated and is not.
    """

    campaign: str
    cells: list[Json]
    compared: list[Json]
    plans: list[Json]
    comparisons: list[str]
    stale: Sequence[Stale]
    labels: Counter[str]
    kinds: set[str]

    @property
    def passed(self) -> bool:
        """Whether every entry passes and everything is today's."""
        return not self.stale and all(entry["state"] != "failing" for entry in self.entries)

    @property
    def entries(self) -> list[Json]:
        """All entries: cells, gated comparisons, plans."""
        return [*self.cells, *self.compared, *self.plans]


def name_entry(entry: Json) -> str:
    """Return what an entry of a judged campaign is about: a cell, a comparison, or a pipeline and its goal."""
    if "cell" in entry:
        return "/".join(entry["cell"][field] for field in Cell._fields)
    return entry["comparison"] if "comparison" in entry else f"{entry['pipeline']}/{entry['goal']}"
