"""What a bundle claims, and how far each claim goes: one line each.

    recomputed    computed again here, from raw data in the bundle
    attested      nobody here can compute it; a key that you trust has signed it
    asserted      nobody here can compute it, and nobody that you trust has signed it
    not covered   not in the bundle, or nothing rests on it
    refuted       it is not what the bundle's own data say

The first refuted claim is named first.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError

RECOMPUTED, ATTESTED, ASSERTED, NOT_COVERED, REFUTED = "recomputed", "attested", "asserted", "not covered", "refuted"
WORDS = (REFUTED, RECOMPUTED, ATTESTED, ASSERTED, NOT_COVERED)
# What reading somebody else's document can end in besides UserError, where its shape is wrong and its schema wide.
_MALFORMED = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError),
    *(RecursionError, RuntimeError, TypeError, ValueError, StopIteration),
)


class Claim(NamedTuple):
    """One claim: what it is about, one of WORDS, and what was found or why nothing can be said."""

    subject: str
    word: str
    detail: str

    def __str__(self) -> str:
        return f"{self.word:<12}{self.subject}" + (f": {self.detail}" if self.detail else "")


def check_claim(subject: str, check: Callable[[], Any], detail: str = "") -> Claim:
    """Return a claim as recomputed if `check` returns, as refuted with its one line if it raises.

    Whatever a document does to its reader, it is the document's fault: nothing of a bundle ends in a traceback.
    """
    if fault := find_fault(check):
        return Claim(subject, REFUTED, fault.removeprefix(f"{subject}: "))
    return Claim(subject, RECOMPUTED, detail)


def find_fault(check: Callable[[], Any]) -> str | None:
    """Return what the check of a claim finds wrong, in one line; None if nothing."""
    try:
        check()
    except UserError as error:
        return " ".join(str(error).split())
    except _MALFORMED as error:
        told = " ".join(str(error).split())[:200]
        return f"cannot be computed: its data are malformed ({type(error).__name__}: {told})"
    return None


def count_words(claims: Iterable[Claim]) -> dict[str, int]:
    """Return {word of a claim: how many claims}, in the order of WORDS, without those of none."""
    found = [claim.word for claim in claims]
    return {word: found.count(word) for word in WORDS if word in found}


def find_first_refuted(claims: Iterable[Claim]) -> Claim | None:
    """Return the first claim that does not hold, None if all do."""
    return next((claim for claim in claims if claim.word == REFUTED), None)


def describe_claims(claims: Iterable[Claim]) -> list[Json]:
    """Return claims as JSON."""
    return [claim._asdict() for claim in claims]


def render_claims(claims: list[Claim], every: bool = False) -> Iterator[str]:
    """Yield the lines of `edgeproof verify`: refuted claims, the others, and the sum.

    Without `every`, claims that were recomputed are only counted.
    """
    yield from (str(claim) for claim in claims if claim.word == REFUTED)
    yield from (str(claim) for claim in claims if claim.word not in (REFUTED, *(() if every else (RECOMPUTED,))))
    yield ", ".join(f"{count} {word}" for word, count in count_words(claims).items())
