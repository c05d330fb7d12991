"""Checks that the measured numbers of a scenario are still those in the result files that they name."""

from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.runs.results import read_result

from .assembling import assemble_numbers, list_links


def check_origins(scenario: Json, where: str) -> None:
    """Raise UserError unless every measured number of a scenario document follows from the result file that it names.

    Declared numbers name no file and are not checked. Results are recomputed from their samples. `where`: the
    scenario's path, for the message.
    """
    known = {}
    for stage in scenario["stages"]:
        for executor, variants in stage["profiles"].items():
            for variant in variants if isinstance(variants, list) else [variants]:
                place = f"{where}: stage {stage['name']!r} on {executor}"
                for key in ("latency_ms", "energy_mj", "weights_mb", "activations_mb"):
                    if path := _origin(variant.get(key)):
                        if path not in known:
                            known[path] = assemble_numbers(read_result(path), path)
                        _require(variant[key], known[path].get(key), f"{place}, {key}", path)
    for link in scenario["links"]:
        if path := _origin(link["setup_ms"]):
            if path not in known:
                known[path] = {(item["source"], item["target"]): item for item in list_links({}, path)}
            ends = (link["source"], link["target"])
            for key in ("latency_ms_per_mb", "setup_ms"):
                found = known[path].get(ends, {}).get(key)
                _require(link[key], found, f"{where}: link {' to '.join(ends)}, {key}", path)


def _origin(number: Any) -> str | None:
    return number.get("result") if isinstance(number, dict) else None


def _require(said, found, what, path):
    if said == found:
        return
    if found is not None and said["digest"] != found["digest"]:
        raise UserError(f"{what}: {path} has changed since (sha256 {sha256_file(path)}); run the workflow again")
    value = None if found is None else found["value"]
    raise UserError(f"{what} is {said['value']}, but {path} says {value}")
