"""Presets whose builder draws: it times candidates on the board, so that two builds of one model differ.

`builds: n` of such a preset makes n artifacts of each of its cells. The first is the preset's own. Each of the others
is a preset of its own to all rules (`layout.name_build`), so it has its own folder, its own key and its own checks.
"""

from collections.abc import Mapping
from typing import Any

from .configuration import Json
from .errors import UserError
from .layout import name_build

_DRAWING = ("engine",)  # formats whose builder times candidates


def draws(preset: Mapping[str, Any]) -> bool:
    """Tell whether two builds of a preset may differ in latency, because its builder draws."""
    return preset["artifact"] in _DRAWING or "latency_spread" in preset["build"]


def list_builds(name: str, preset: Mapping[str, Any]) -> list[str]:
    """Return the presets that stand for the builds of a preset, itself first; [] if its builder does not draw."""
    return [name_build(name, number) for number in range(1, preset.get("builds", 1) + 1)] if draws(preset) else []


def add_builds(presets: Mapping[str, Json]) -> dict[str, Json]:
    """Return presets with those that stand for their further builds, which have one build each.

    UserError where a builder does not draw, or where a file has the name of another preset's build.
    """
    added: dict[str, Json] = {}
    for name, preset in presets.items():
        if "builds" in preset and not draws(preset):
            raise UserError(
                f"config/presets/{name}.yaml: builds is {preset['builds']}, but every build of {preset['artifact']!r} "
                "is alike; leave it out"
            )
        for build in list_builds(name, preset)[1:]:
            if build in presets:
                raise UserError(
                    f"config/presets/{build}.yaml: this is the name of a build of {name!r}, which has "
                    f"builds: {preset['builds']}; rename the file"
                )
            added[build] = {key: value for key, value in preset.items() if key != "builds"}
    return {**presets, **added}
