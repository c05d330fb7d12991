"""Scenario documents, read strictly from JSON: the marker `schema` tells version 2 from version 1."""

from edgeproof.core.documents import read_json, validate

from .version1 import parse_v1
from .version2 import parse_v2


def load_scenario(path):
    """Return the `Scenario` in the JSON file `path`; UserError names file, place and remedy."""
    return parse_scenario(read_json(path, "scenario"), path)


def parse_scenario(document, where="scenario"):
    """Return the `Scenario` of a JSON value; `where` names it in errors. Marker `schema` decides the version."""
    validate(document, "scenario", where)
    if "schema" in document:
        return parse_v2(validate(document, "scenario-v2", where), where)
    return parse_v1(validate(document, "scenario-v1", where), where)
