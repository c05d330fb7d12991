"""The documents behind rows of the registry: read as evidence is read, computed again from raw data."""

import json
from collections.abc import Mapping
from pathlib import Path

from edgeproof.comparability.two_runs import SIDES, RunSide, view_edgeenv_run, view_results
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.reader import reading_once
from edgeproof.core.verified import ignore_verified
from edgeproof.runs.results import read_result

from .edgeenv_runs import read_edgeenv_result

EDGEENV = "edgeenv"


def read_run(root: Path, row: Json) -> Json:
    """Read the document of a run: a result, computed again from its samples, or a run of EdgeEnv.

    UserError where it is not valid, was edited, or does not follow from its samples.
    """
    if row["origin"] == EDGEENV:
        return read_edgeenv_result(Path(row["path"]))
    with ignore_verified(), reading_once():
        return read_result(root / row["path"])


def check_run(root: Path, row: Json) -> str | None:
    """Read the document of a run and return why it cannot be believed, None where it follows from its samples.

    Of a run of EdgeEnv nothing can be computed again: it keeps no samples.
    """
    try:
        read_run(root, row)
    except UserError as error:
        return " ".join(str(error).split())
    return None


def read_two_runs(root: Path, rows: Mapping[str, Json]) -> dict[str, RunSide]:
    """Read the documents of two runs and return both sides; `rows`: {left, right} of the registry."""
    documents = {side: read_run(root, rows[side]) for side in SIDES}
    names = {side: rows[side]["id"] for side in SIDES}
    own = {side: rows[side]["origin"] != EDGEENV for side in SIDES}
    if all(own.values()):
        return view_results(names, documents)
    # With a run of EdgeEnv on the other side, a result of ours is seen by itself.
    alone = {side: view_results(dict.fromkeys(SIDES, names[side]), dict.fromkeys(SIDES, documents[side]))["left"]
             for side in SIDES if own[side]}  # fmt: skip
    return {side: alone.get(side) or view_edgeenv_run(names[side], documents[side]) for side in SIDES}


def read_optional_json(path: Path) -> Json | None:
    """Read a small JSON object beside a run's document, on which nothing rests; None where it is missing or is none."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_log_tail(path: Path, characters: int) -> str | None:
    """Read the last characters of a log beside the documents of a run; None where there is no such file."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, 2)
            size = stream.tell()
            stream.seek(max(0, size - 4 * characters))
            return stream.read().decode(errors="replace")[-characters:] if characters else ""
    except OSError:
        return None
