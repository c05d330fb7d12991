"""Names that a wildcard of a rule may take, as a regular expression."""

import re
from collections.abc import Iterable
from itertools import groupby, takewhile


def one_of(names: Iterable[str]) -> str:
    """Return the regular expression of the names that a rule's wildcard may take; without a name it matches nothing.

    Names share what they start with: Snakemake tries such an expression on every file, and of hundreds of models one
    after the other costs a tenth of a dry run.
    """
    return _join_names(sorted(set(names))) or "(?!)"


def _join_names(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(map(re.escape, names))
    shared = takewhile(lambda pair: pair[0] == pair[1], zip(names[0], names[-1], strict=False))  # they are sorted
    start = "".join(character for character, _ in shared)
    groups = groupby((name[len(start) :] for name in names), key=lambda rest: rest[:1])
    return f"{re.escape(start)}(?:{'|'.join(_join_names(list(group)) for _, group in groups)})"
