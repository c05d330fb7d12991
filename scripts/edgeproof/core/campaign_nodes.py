"""Which nodes of a Slurm cluster a campaign's devices are: `nodes` names a feature for each, and Slurm finds it."""

from collections.abc import Iterable
from typing import NamedTuple, cast

from .campaign_files import CampaignFiles
from .configuration import Json
from .errors import UserError
from .suggestions import suggest_words


class Node(NamedTuple):
    """What a job on a device asks Slurm for. `cpus`: of the node, all of which a measurement takes."""

    constraint: str
    gres: str
    cpus: int


def read_nodes(files: CampaignFiles, devices: Iterable[str], known: Iterable[str]) -> dict[str, Node]:
    """Return {device: Node} of a campaign, {} where it names none; UserError names file and line.

    `devices`: those of the campaign's cells, each of which must be named, or Slurm could put its job anywhere. `known`:
    all in config/devices/.
    """
    known = list(known)
    nodes = cast(Json, files.config.get("nodes") or {})
    for name in nodes:
        if name not in known:
            place = files.locate(f"nodes.{name}")
            raise UserError(f"{place}: nodes.{name}: config/devices/ has no such device{suggest_words(name, known)}")
    if nodes and (missing := [name for name in devices if name not in nodes]):
        raise UserError(
            f"{files.locate('nodes')}: nodes: {', '.join(missing)} has none; name the feature of its node, as in "
            f"{missing[0]}: {{constraint: {missing[0]}, cpus: 4}}"
        )
    return {
        name: Node(value["constraint"], value.get("gres", "board:1"), value["cpus"]) for name, value in nodes.items()
    }
