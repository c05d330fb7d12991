"""`parity.json` as a record that later rooms read; `agreement` makes it."""

from typing import NamedTuple

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_sealed
from edgeproof.core.files import FilePath


def read_parity_record(path: FilePath) -> Json:
    """Return the parity record at `path`; UserError when it is missing, invalid or was edited."""
    return read_sealed(path, "parity", "check the parity again")


class LimitCount(NamedTuple):
    """How many limits of a parity record were asked for, and how many of them could be measured."""

    measured: int
    asked: int


def count_limits(parity: Json) -> LimitCount:
    """Return how many limits of a parity record were measured, of those that the preset asks for."""
    lines = parity["thresholds"]
    return LimitCount(sum(line["passed"] is not None for line in lines), len(lines))


def describe_parity(parity: Json) -> str:
    """Return the status of a parity record in words: a limit that was not measured never leaves a plain "passed"."""
    words = parity["status"].replace("_", " ")
    measured, asked = count_limits(parity)
    return f"{words} ({measured} of {asked} limits measured)" if words == "passed" and measured < asked else words


def is_same_graph(parity: Json) -> bool:
    """Tell whether a parity record is of a file beside itself, in one runtime: then it differs in nothing, exactly."""
    accuracy = parity["accuracy"]
    unlike = accuracy is not None and (accuracy["gained"] or accuracy["lost"])
    same = parity["trivial"] and parity["artifact_sha256"] == parity["source_sha256"]
    return bool(same and not unlike)


def describe_limit(line: Json) -> str:
    """Return a judged limit of a parity record in words, with the value that it was judged by, or why there is none."""
    sign = "<=" if line["name"].startswith("max_") else ">="
    asked = f"{line['metric']} {sign} {line['limit']:g}"
    if line["passed"] is None:
        return f"{asked}: not measured, {line['reason']}"
    return f"{asked}: {line['value']:.6g}, {'met' if line['passed'] else 'missed'}"


def describe_declared_accuracy(item: Json) -> str:
    """Return a parity record's declared accuracy, measured elsewhere, in words, with where it comes from."""
    digest = f", sha256 {item['sha256']}" if item.get("sha256") else ""
    where = f" ({item['file']}{digest})" if "file" in item else ""
    return f"{item['precision']} accuracy {item['value']:.2%}: {item['origin']}{where}"
