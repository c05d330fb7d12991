"""Reading a scenario document. The marker `schema` tells version 2 from version 1."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, validate
from edgeproof.core.errors import UserError

from .bounds import LARGEST, describe_excess, find_remedy
from .costs import UNIT
from .model import Scenario
from .version1 import parse_v1
from .version2 import parse_v2


def load_scenario(path: str | Path) -> Scenario:
    """Load the `Scenario` in the JSON file `path` and return it; UserError names file, key and remedy."""
    return parse_scenario(read_json(path, "scenario"), path)


def parse_scenario(document: Json, where: str | Path = "scenario") -> Scenario:
    """Load the `Scenario` in a JSON value, of either version, and return it.

    UserError names the document (`where`) and the key that is wrong.
    """
    _check_numbers(document, where)
    validate(document, "scenario", where)
    if "schema" in document:
        return parse_v2(validate(document, "scenario-v2", where), where)
    return parse_v1(validate(document, "scenario-v1", where), where)


_BEYOND = 1e300  # any number: larger integers are no numbers to a computer
_COUNTED = ("latency_ms", "energy_mj")
_EXACT = 1e-6  # relative error that counting in whole units may add to an execution


def _check_numbers(document: Json, where: str | Path) -> None:
    """Raise UserError for a number that plans cannot count with, by its key."""
    for key, name, value in _list_numbers(document, "", ""):
        if isinstance(value, int) and abs(value) > _BEYOND:
            raise UserError(
                f"{where}: {key} is a number of {len(str(abs(value)))} digits; it must be below {_BEYOND:g}"
            )
        if not math.isfinite(value) or abs(value) > _BEYOND:
            raise UserError(f"{where}: {key} is {value:g}; it must be below {_BEYOND:g}")
        if value >= LARGEST and (remedy := find_remedy(key, name)):
            raise UserError(describe_excess(f"{where}: {key}", value, remedy))
        if (
            name in _COUNTED
            and not key.endswith("]")  # of samples, only what a draw makes of them is counted
            and value > 0
            and abs(round(value * UNIT) / UNIT - value) > _EXACT * value
        ):
            raise UserError(
                f"{where}: {key} is {value:g}; plans count in steps of {1 / UNIT:g}, which is too coarse for it"
            )


_PARTS = ("value", "process_medians", "interval")  # of a quantity


def _list_numbers(value: Any, key: str, name: str) -> Iterator[tuple[str, str, int | float]]:
    """Yield (key, last name in it, number) of every number in a document.

    A quantity's value, samples and interval go by the name of the quantity.
    """
    if isinstance(value, dict):
        for inner, item in value.items():
            shown = f"{key}.{inner}" if key else str(inner)
            yield from _list_numbers(item, shown, name if inner in _PARTS else str(inner))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _list_numbers(item, f"{key}[{index}]", name)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield key, name, value
