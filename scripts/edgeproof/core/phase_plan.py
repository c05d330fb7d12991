"""What a campaign's five-phase evaluation is about: one model, its candidates on each device, and the rule."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from .campaign import Campaign
from .catalogues import CATALOGUES
from .configuration import Catalogues, Json
from .errors import UserError
from .layout import Cell
from .suggestions import suggest_words

_MORE_THAN = 200  # representative samples; the plan's gate
_CRITERIA = "edge"


class PhasePlan(NamedTuple):
    """A checked evaluation. `sdk`, `hybrid`: (preset, precision) of the cell that stands for it, None without one.
    `candidates`: of the converted ones. `lighter_by`, `best_by`: what converted candidates are weighed and ordered by.
    `more_than`: representative samples that are not enough yet. `declared`: inputs that no verdict looks at.
    `service`: the family that is served and measured beside the runs.
    """

    model: str
    devices: tuple[str, ...]
    sdk: tuple[str, str] | None
    hybrid: tuple[str, str] | None
    candidates: tuple[tuple[str, str], ...]
    criteria: str
    lighter_by: str
    best_by: str
    more_than: int
    declared: list[Json]
    service: str | None = None

    def cells_of(self, device: str) -> dict[str, Cell]:
        """Return the cells of a device's candidates by their names: `sdk`, `preset/precision`, `hybrid`."""
        named = {f"{preset}/{precision}": (preset, precision) for preset, precision in self.candidates}
        roles = {"sdk": self.sdk, **named, "hybrid": self.hybrid}
        return {name: Cell(self.model, way[0], device, way[1]) for name, way in roles.items() if way is not None}

    def cells(self) -> list[Cell]:
        """Return the cells of all devices, each once."""
        return list(dict.fromkeys(cell for device in self.devices for cell in self.cells_of(device).values()))


def expand_phases(config: Json, campaign: Campaign, catalogues: Catalogues, where: str) -> PhasePlan | None:
    """Return the PhasePlan of a campaign's five-phase evaluation, None where the configuration asks for none.

    UserError for a cell that the campaign does not have, or an unknown name.
    """
    entry = config.get("phases")
    if entry is None:
        return None
    where = f"{where}: phases"
    own = [cell for cell in campaign.cells if cell.model == entry["model"]]
    if not own:
        known = sorted({cell.model for cell in campaign.cells})
        meant = suggest_words(entry["model"], known)
        raise UserError(
            f"{where}: model: the campaign has no cell of {entry['model']!r}; it has {', '.join(known)}{meant}"
        )
    sdk, hybrid = (_way_of(entry.get(role), own, f"{where}: {role}") for role in ("sdk", "hybrid"))
    ways = [(cell.preset, cell.precision) for cell in own]
    candidates = [way for way in dict.fromkeys(ways) if way not in (sdk, hybrid)]
    criteria = entry.get("criteria", _CRITERIA)
    if criteria not in catalogues["criteria"]:
        folder, meant = CATALOGUES["criteria"], suggest_words(criteria, catalogues["criteria"])
        raise UserError(f"{where}: criteria: there is no config/{folder}/{criteria}.yaml{meant}")
    service, served = entry.get("service"), campaign.adaptation
    if service is not None and (service not in served["families"] or "service" not in served):
        raise UserError(
            f"{where}: service: name {service!r} in adaptation.families, and give adaptation.service a budget_ms"
        )
    return PhasePlan(
        model=entry["model"],
        devices=tuple(dict.fromkeys(cell.device for cell in own)),
        sdk=sdk,
        hybrid=hybrid,
        candidates=tuple(candidates),
        criteria=criteria,
        lighter_by=entry.get("lighter_by", "size"),
        best_by=entry.get("best_by", "latency"),
        more_than=entry.get("more_than_samples", _MORE_THAN),
        declared=entry.get("declared", []),
        service=service,
    )


def _way_of(entry: Any, cells: Sequence[Cell], where: str) -> tuple[str, str] | None:
    if entry is None:
        return None
    way = (entry["preset"], entry["precision"])
    ways = dict.fromkeys((cell.preset, cell.precision) for cell in cells)
    if way not in ways:
        known = ", ".join("/".join(each) for each in ways)
        raise UserError(f"{where}: the campaign has no cell of {'/'.join(way)}; add it to a matrix (it has {known})")
    return way
