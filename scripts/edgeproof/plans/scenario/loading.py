"""Reading a scenario document. The marker `schema` tells version 2 from version 1."""

from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, validate

from .model import Scenario
from .version1 import parse_v1
from .version2 import parse_v2


def load_scenario(path: str | Path) -> Scenario:
    """Return the `Scenario` in the JSON file `path`; UserError names file, key and remedy."""
    return parse_scenario(read_json(path, "scenario"), path)


def parse_scenario(document: Json, where: str | Path = "scenario") -> Scenario:
    """Return the `Scenario` of a JSON value; UserError names the document (`where`) and the key that is wrong."""
    validate(document, "scenario", where)
    if "schema" in document:
        return parse_v2(validate(document, "scenario-v2", where), where)
    return parse_v1(validate(document, "scenario-v1", where), where)
