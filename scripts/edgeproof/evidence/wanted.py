"""What the rules ask of this room: the cells, comparisons, plans and replays of a campaign, and how its gate judges."""

from typing import NotRequired, TypedDict, cast

from edgeproof.core.configuration import Json


class CampaignSnapshot(TypedDict):
    """What a report shows and a gate checks.

    `cells`: [model, preset, device, precision, builder] each. `comparisons`: names. `plans`: [pipeline, goal] each.
    `replays`: [family, device, policy, trace] each; campaigns without any leave it out.
    """

    campaign: str
    cells: list[list[str]]
    comparisons: list[str]
    plans: list[list[str]]
    replays: NotRequired[list[list[str]]]


class GateSettings(TypedDict):
    """How the gate judges comparisons with a baseline.

    `policy`: file name in config/regressions/. `fail_at`: the severity from which a regression fails. `tolerate`: modes
    that pass although nothing could be judged (`undecided`, `incomplete`). `gated`: names of comparisons.
    """

    policy: str
    fail_at: str
    tolerate: list[str]
    gated: list[str]


def settings_of(wanted: Json) -> GateSettings | None:
    """Return how the gate is wanted to judge comparisons, as wanted.json says; None if none is gated."""
    return cast(GateSettings, wanted["regressions"]) if wanted["regressions"]["gated"] else None
