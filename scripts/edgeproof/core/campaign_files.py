"""Campaign files: read strictly, laid over one another, and every value remembers the file and line it came from.

Later files win key by key; lists are replaced whole; `null` takes a key away. Snakemake lays its `--configfile`s over
the workflow's own in the same way, but keeps the last of two equal keys and names no line.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml

from .campaign import Campaign, expand_campaign
from .configuration import Json
from .documents import load_schema, read_text
from .errors import UserError
from .layout import relative_to_repository
from .suggestions import suggest_words
from .yaml_files import parse_yaml

_HERE = "\0"  # stands for the campaign in messages until its place is known
_KEY = re.compile(r"^\0: (?:the document: )?([a-z_]+(?:\.[a-z_]+|\[\d+\])*)?")


class Place(NamedTuple):
    """Where a value was written: a file and a line, from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class CampaignFiles(NamedTuple):
    """What the files of a campaign say together. `places`: {dotted key: Place} of every key and list entry."""

    files: tuple[str, ...]
    config: Json
    places: dict[str, Place]

    def locate(self, key: str) -> str:
        """Return the file and line of a key, or of the nearest key above it; all files where there is none."""
        while key:
            if key in self.places:
                return str(self.places[key])
            key = re.sub(r"(?:^|\.)[^.\[\]]+$|\[\d+\]$", "", key)
        return " + ".join(self.files)


def read_campaign_files(
    paths: Sequence[Path | str], values: Json | None = None, root: Path | str = "."
) -> CampaignFiles:
    """Return what campaign files say, each laid over those before; UserError names file and line.

    `values`: keys given on the command line, which win. `root`: files below it are named relative to it.
    """
    config: Json = {}
    places: dict[str, Place] = {}
    names: list[str] = []
    for path in paths:
        name = relative_to_repository(path, root)
        document = parse_yaml(read_text(path), name)
        if not isinstance(document, dict):
            raise UserError(f"{name}: a campaign is a mapping of keys to values; this file holds {document!r}")
        found = _list_places(name, path)
        _require_known_keys(document, found)  # pyright: ignore[reportUnknownArgumentType]
        _lay_over(config, document, "", places, found)  # pyright: ignore[reportUnknownArgumentType]
        names.append(name)
    given = {str(key): Place("--config", 1) for key in values or {}}
    _lay_over(config, values or {}, "", places, given)
    return CampaignFiles(tuple(names), config, places)


def expand_campaign_files(files: CampaignFiles, catalogues: Json) -> Campaign:
    """Return the checked Campaign; UserError names the file and the line of what is wrong in it."""
    try:
        return expand_campaign(files.config, catalogues, _HERE)
    except UserError as error:
        message = str(error)
        if not message.startswith(_HERE):
            raise
        key = _KEY.match(message)
        place = files.locate((key and key.group(1)) or "")
        raise UserError(place + message.removeprefix(_HERE)) from None


def list_added_cells(campaign: Campaign, files: CampaignFiles) -> list[str]:
    """Return a sentence for each comparison in the campaign files that measures a cell which no matrix names."""
    told: list[str] = []
    for name, cells in campaign.added.items():
        number = next((i for i, entry in enumerate(files.config.get("comparisons", [])) if entry["name"] == name), None)
        place = files.locate("" if number is None else f"comparisons[{number}]")
        told.append(f"{place}: {name} adds {', '.join(map(str, cells))}, which no matrix has")
    return told


def _lay_over(base: Json, over: Json, prefix: str, places: dict[str, Place], found: dict[str, Place]) -> None:
    for key, value in over.items():
        dotted = f"{prefix}.{key}" if prefix else key
        if value is None:
            base.pop(key, None)
            _forget(places, dotted)
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            _lay_over(base[key], value, dotted, places, found)  # pyright: ignore[reportUnknownArgumentType]
        else:
            base[key] = _without_nulls(value)
            _forget(places, dotted)
            within = (
                item for item in found.items() if item[0] == dotted or item[0].startswith((dotted + ".", dotted + "["))
            )
            places.update(within)


def _without_nulls(value: Any) -> Any:
    """Return a value without the keys that `null` takes away, where there was nothing to take."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}  # pyright: ignore
    return value


def _forget(places: dict[str, Place], dotted: str) -> None:
    for key in [key for key in places if key == dotted or key.startswith((dotted + ".", dotted + "["))]:
        del places[key]


def _list_places(name: str, path: Path | str) -> dict[str, Place]:
    """Return {dotted key: Place} of all keys and list entries of a YAML file."""
    places: dict[str, Place] = {}

    def enter(node: yaml.Node, prefix: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                dotted = f"{prefix}.{key.value}" if prefix else str(key.value)
                places[dotted] = Place(name, key.start_mark.line + 1)
                enter(value, dotted)
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                places[f"{prefix}[{number}]"] = Place(name, item.start_mark.line + 1)
                enter(item, f"{prefix}[{number}]")

    root = cast("yaml.Node | None", yaml.compose(read_text(path), Loader=yaml.SafeLoader))  # pyright: ignore[reportUnknownMemberType]
    if root is not None:
        enter(root, "")
    return places


def _require_known_keys(document: Json, places: dict[str, Place]) -> None:
    known = load_schema("campaign")["properties"]
    for key in document:
        if key not in known:
            close = suggest_words(key, known) or f"; known keys are {', '.join(sorted(known))}"
            raise UserError(f"{places[key]}: unknown key {key!r}{close}")
