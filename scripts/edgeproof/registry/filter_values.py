"""Filters that nothing fits: a name that nobody knows is a mistake, a known one without runs is an answer."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from edgeproof.core.catalogues import CATALOGUES, list_catalogue
from edgeproof.core.documents import load_schema
from edgeproof.core.errors import UserError
from edgeproof.core.suggestions import suggest_words

from .run_rows import UNREADABLE

# Where the registry keeps what each filter of runs and of attempts is held against.
_RUN_COLUMNS = ("model", "preset", "device", "precision", "status", "runtime", "machine", "origin")
_COLUMNS = {
    **{name: f"SELECT DISTINCT {name} FROM runs" for name in _RUN_COLUMNS},
    "campaign": "SELECT DISTINCT campaign FROM campaigns",
    "source": "SELECT DISTINCT source FROM metrics",
    "kind": "SELECT DISTINCT kind FROM attempts",
    "reason": "SELECT DISTINCT reason FROM attempts WHERE status IN ('failed', 'unreadable')",
}
_MOST_NAMES = 20


def require_known_values(connection: sqlite3.Connection, root: Path, filters: Mapping[str, object]) -> None:
    """Raise UserError for the first filter whose value neither the registry nor the configuration knows.

    Asked once nothing was found: where something was, each value is known. An empty registry knows nothing, so that no
    value is a mistake there but one of a closed list. `root`: the repository.
    """
    for name, value in filters.items():
        if name not in _COLUMNS or not isinstance(value, str):
            continue
        kept = {row[0] for row in connection.execute(_COLUMNS[name]) if row[0]}
        listed = _list_configured(name, root)
        known = sorted(kept | listed)
        if value not in known and (kept or listed):
            more = ", …" if len(known) > _MOST_NAMES else ""
            raise UserError(
                f"--{name} {value}: is not known here{suggest_words(value, known) or ';'} there are "
                f"{', '.join(known[:_MOST_NAMES])}{more}"
            )


def _list_configured(name: str, root: Path) -> set[str]:
    """Return the values that a filter may have although no run has them."""
    if name == "status":
        return {*load_schema("result")["properties"]["status"]["enum"], UNREADABLE}
    if name == "kind":
        return set(load_schema("attempt")["properties"]["kind"]["enum"])
    if name == "precision":
        return set(load_schema("preset#precisions")["items"]["enum"])
    return set(list_catalogue(name, root)) if name in CATALOGUES else set()
