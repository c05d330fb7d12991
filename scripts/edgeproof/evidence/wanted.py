"""What the rules ask of this room: the cells, comparisons, plans and replays of a campaign, and how its gate judges."""

from typing import NotRequired, TypedDict, cast

from edgeproof.agent.machine import describe_machine
from edgeproof.core.configuration import Json


class CampaignSnapshot(TypedDict):
    """What a report shows and a gate checks.

    `cells`: [model, preset, device, precision, builder] each. `comparisons`: names. `plans`: [pipeline, goal] each.
    `machine`: whose evidence it is, if it is made again elsewhere to be checked; this machine otherwise.
    `replays`: [family, device, policy, trace] each; `services`: [family, device] each. Campaigns without any leave them
    out.
    """

    machine: NotRequired[str | None]
    campaign: str
    cells: list[list[str]]
    comparisons: list[str]
    plans: list[list[str]]
    replays: NotRequired[list[list[str]]]
    services: NotRequired[list[list[str]]]


class GateSettings(TypedDict):
    """How the gate judges comparisons with a baseline.

    `policy`: file name in config/regressions/. `fail_at`: the severity from which a regression fails. `tolerate`: modes
    that pass although nothing could be judged (`undecided`, `incomplete`). `gated`: names of comparisons.
    """

    policy: str
    fail_at: str
    tolerate: list[str]
    gated: list[str]


def snapshot_as_made(wanted: Json) -> CampaignSnapshot:
    """Return the campaign of a wanted.json as on the machine that made its evidence, so that pages are the same."""
    snapshot: Json = dict(wanted["campaign"])
    if "machine" in wanted:
        snapshot["machine"] = wanted["machine"]
    return cast(CampaignSnapshot, snapshot)


def name_machine(snapshot: CampaignSnapshot) -> str | None:
    """Return the id of the machine from which the evidence of a wanted campaign is seen; None if it is not known."""
    return snapshot["machine"] if "machine" in snapshot else describe_machine()["id"]


def settings_of(wanted: Json) -> GateSettings | None:
    """Return what wanted.json asks of the gate: how it judges comparisons; None if none is gated."""
    return cast(GateSettings, wanted["regressions"]) if wanted["regressions"]["gated"] else None
