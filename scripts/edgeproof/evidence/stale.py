"""Stale evidence, seen without Snakemake: a document whose key is not the one that today's configuration and code
give.
"""

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from edgeproof.core.configuration import Json
from edgeproof.core.job_key import read_key
from edgeproof.core.keys import list_differences

_NAMED = 20  # paths in a command that one can still read and that every shell takes
_USUAL = "--profile local"
_SHOWN = 3  # differences of one document that are named; the rest are counted


class Stale(NamedTuple):
    """A document that is not today's: its path, why in words, and Snakemake's options for its campaign."""

    path: str
    reasons: tuple[str, ...]
    options: str = _USUAL

    def __str__(self) -> str:
        return f"{self.path}: {'; '.join(self.reasons)}"


def find_stale(wanted: Json) -> list[Stale]:
    """Return the documents of a campaign that are stale, in the order wanted. `wanted`: of wanted.json."""
    found = [(path, _compare(path, parts)) for path, parts in wanted["keys"].items()]
    options = shlex.join(wanted["options"]) if "options" in wanted else _USUAL
    return [Stale(path, reasons, options) for path, reasons in found if reasons]


def name_remedy(stale: Sequence[Stale]) -> str:
    """Return the command that makes stale documents again; there is one at least.

    Of many it names none and makes everything again, which measures nothing whose key is today's.
    """
    command = f"snakemake {stale[0].options}"
    if len(stale) > _NAMED:
        return f"{command} --forceall"
    return f"{command} --forcerun {' '.join(item.path for item in stale)}"


def _compare(path: str, today: Json) -> tuple[str, ...]:
    made = read_key(path)
    if made is None:
        return ("nothing says what it was made from: it is missing, or was changed since",)
    differences = list_differences(made, today)
    told = [str(item) for item in differences[:_SHOWN]]
    rest = len(differences) - _SHOWN
    return (*told, *([f"and {rest} more"] if rest > 0 else []))
