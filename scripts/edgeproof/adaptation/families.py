"""`family.json`: the variants of a family on one device, with what is known of them filled from measured results."""

import math
import statistics
from pathlib import Path

from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, read_sealed, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, is_file, sha256_file
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import REMEDY, digest_json
from edgeproof.runs.results import MEASURED, read_result
from edgeproof.runtime.variants import FamilyYamlError, ModelFamily, parse_family, parse_metadata
from edgeproof.sources.identity import describe_model

_MB = 2**20
_STALE = 0.1  # a declared number without an interval is stale from this share of the measured one on


# Where a variant comes from, paths relative to the repository. `path`: its file; of a cell also `result`, `parity` and
# `identity`.
FamilySource = dict[str, str]


def write_family(family: str, device: str, document: Json, sources: dict[str, FamilySource], output: FilePath) -> None:
    """Write `family.json` of a family (its configuration: `document`) on a device.

    `sources`: of each variant. UserError where no variant can be used, a file is missing, or two variants do not take
    and give the same tensors.
    """
    write_sealed(output, fill_family(family, device, document, sources), "filled-family")


def read_family(path: FilePath) -> tuple[Json, ModelFamily]:
    """Return `family.json` and its family; UserError if it does not follow from the results that it names."""
    document = read_sealed(path, "filled-family", REMEDY)
    again = fill_family(document["name"], document["device"], document["declared"], document["sources"])
    for key, value in again.items():
        must_follow(document[key], value, key, path, "its results")
    return document, _open_family(document, path)


def _open_family(document: Json, where: FilePath) -> ModelFamily:
    """Return the family that a family document describes; UserError if it is wrong."""
    try:
        return parse_family(document, str(where))
    except FamilyYamlError as error:
        raise UserError(str(error)) from error


def fill_family(family: str, device: str, document: Json, sources: dict[str, FamilySource]) -> Json:
    """Return the document `edgeproof.filled-family.v1`, without its seal."""
    variants: Json = {}
    left_out: Json = {}
    contracts: Json = {}
    stale: list[str] = []
    paired = len({source.get("identity") for source in sources.values()}) == 1
    for name, declared in document["variants"].items():
        source = sources[name]
        reason = _find_fault(source)
        if reason is not None:
            left_out[name] = reason
            continue
        measured, provenance = _read_measured(source, paired)
        given = _check_declared(declared.get("metadata") or {}, f"config/families/{family}.yaml: variants.{name}")
        stale += [f"{name}.{text}" for text in _list_stale(given, measured)]
        contracts[name] = _read_contract(name, source)
        variants[name] = {
            "path": source["path"],
            "sha256": sha256_file(source["path"]),
            "tier": declared["tier"],
            "backend": declared.get("backend", "onnx"),
            "metadata": {**given, **measured},
            "origins": {field: provenance if field in measured else "declared" for field in {**given, **measured}},
        }
    if not variants:
        raise UserError(f"config/families/{family}.yaml: no variant can be used: {_join(left_out)}")
    _require_one_contract(family, contracts)
    contract = next((item for item in contracts.values() if item is not None), None)
    return {
        "schema": "edgeproof.filled-family.v1",
        "name": family,
        "family": document["family"],
        "device": device,
        "key": digest_json({"variants": variants, "contract": contract}),
        "contract": contract,
        "unchecked": [name for name, item in contracts.items() if item is None],
        "variants": variants,
        "left_out": left_out,
        "stale": stale,
        "both_loaded": _list_pairs(variants),
        "declared": document,
        "sources": sources,
        "digests": _list_digests(sources),
    }


def _find_fault(source: FamilySource) -> str | None:
    """Return why a variant cannot be used, None if it can: the measurement or the parity of its cell failed."""
    if "result" in source:
        result, parity = read_result(source["result"]), read_parity_record(source["parity"])
        if result["status"] not in MEASURED:
            return f"{result['status']}: {result['reason']['message']}"
        if parity["status"] != "passed":
            return f"parity {parity['status']}: {parity['reason']['message']}"
    if not is_file(source["path"]):
        raise UserError(f"{source['path']}: is missing; a variant of a family is a file")
    return None


def _check_declared(metadata: Json, where: str) -> Json:
    try:
        parse_metadata(metadata, f"{where}.metadata")
    except FamilyYamlError as error:
        raise UserError(str(error)) from error
    return metadata


def _read_measured(source: FamilySource, paired: bool) -> tuple[Json, str]:
    """Return ({field of the metadata: measured value}, provenance) of a variant; ({}, "declared") for a mere file.

    `paired`: all variants were held against the same reference on the same samples, so that intervals of the paired
    difference tell them apart; else each has the interval of its own share.
    """
    if "result" not in source:
        return {}, "declared"
    result, parity = read_result(source["result"]), read_parity_record(source["parity"])
    latency, processes = result["latency"], result["processes"]
    grown = [item["memory_peak_bytes"] - item["memory_baseline_bytes"] for item in processes]
    found: Json = {
        "expected_latency_ms": latency["median_ms"],
        "memory_footprint_mb": max(0, *grown) / _MB,
        "load_ms": statistics.median(item["load_ms"] for item in processes),
        "first_inference_ms": statistics.median(item["cold_first_inference_ms"] for item in processes),
        "cpu_seconds": statistics.median(
            item["cpu_s"] / (item["samples"] * item["calls_per_sample"]) for item in processes
        ),
        **_read_accuracy(parity, paired),
    }
    if latency["interval_low_ms"] is not None:
        found["latency_interval_ms"] = [latency["interval_low_ms"], latency["interval_high_ms"]]
    if result["energy"]["value_j"] is not None:
        found["energy_j"] = result["energy"]["value_j"]
    return found, result["provenance"]


def _read_accuracy(parity: Json, paired: bool) -> Json:
    if shares := parity["accuracy"]:
        value, base = shares["candidate_accuracy"], shares["reference_accuracy"]
        own = _find_share_interval(value, shares["count"])
        ends = [base + shares["low"], base + shares["high"]] if paired else own
        return {"accuracy_score": value, "accuracy_interval": [min(1.0, max(0.0, end)) for end in ends]}
    if (error := parity.get("error")) and error["candidate_r2"] is not None:
        return {"accuracy_score": max(0.0, error["candidate_r2"])}
    return {}


def _find_share_interval(share: float, count: int, z: float = 1.959964) -> list[float]:
    """Return the 95 % interval of a share of `count` samples (Wilson 1927)."""
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return [middle - half, middle + half]


def _list_stale(declared: Json, measured: Json) -> list[str]:
    """Return a sentence for every declared number that the measured one contradicts."""
    intervals = {"expected_latency_ms": "latency_interval_ms", "accuracy_score": "accuracy_interval"}
    told: list[str] = []
    for field, value in declared.items():
        now = measured.get(field)
        if not isinstance(value, int | float) or now is None:
            continue
        low, high = measured.get(intervals.get(field, "")) or (now - _STALE * abs(now), now + _STALE * abs(now))
        if not low <= value <= high:
            told.append(f"{field}: declared {value:g}, measured {now:.4g} ({low:.4g} to {high:.4g})")
    return told


def _read_contract(name: str, source: FamilySource) -> Json | None:
    """Return {inputs, outputs} of a variant: name, type and shape of each tensor; None for a file nobody can read."""
    if "identity" in source:
        identity = read_json(source["identity"], "identity")
    elif source["path"].endswith(".onnx"):
        identity = describe_model(name, source["path"])
    else:
        return None
    return {"inputs": identity["inputs"], "outputs": identity["outputs"]}


def _require_one_contract(family: str, contracts: dict[str, Json | None]) -> None:
    known = {name: contract for name, contract in contracts.items() if contract is not None}
    for name, contract in known.items():
        first, wanted = next(iter(known.items()))
        for side in ("inputs", "outputs"):
            if contract[side] != wanted[side]:
                raise UserError(
                    f"config/families/{family}.yaml: variants.{name} has the {side} {_show(contract[side])},"
                    f" variants.{first} has {_show(wanted[side])}; variants of a family take and give the same tensors"
                )


def _show(tensors: list[Json]) -> str:
    return ", ".join(f"{item['name']} {item['dtype']} {item['shape']}" for item in tensors)


def _list_pairs(variants: Json) -> list[Json]:
    """Return what two variants hold while both are loaded: the sum of their footprints, an estimate."""
    names = list(variants)
    return [
        {
            "variants": [old, new],
            "memory_mb": sum(variants[name]["metadata"].get("memory_footprint_mb", 0.0) for name in (old, new)),
            "provenance": "estimated",
        }
        for number, old in enumerate(names)
        for new in names[number + 1 :]
    ]


def _list_digests(sources: dict[str, FamilySource]) -> dict[str, str]:
    paths = {path for source in sources.values() for key, path in source.items() if key != "path"}
    return {path: sha256_file(Path(path)) for path in sorted(paths)}


def _join(left_out: Json) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
