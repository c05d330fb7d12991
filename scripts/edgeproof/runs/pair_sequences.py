"""Sessions of pairs as one sequence: each pair of it was measured once, and has a number of its own."""

from collections.abc import Sequence

from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath
from edgeproof.core.same_attempts import require_no_copies

from .paired_sessions import PairsSession


def require_sequence(sessions: Sequence[PairsSession]) -> None:
    """Raise UserError where two sessions of one sequence of pairs have a pair of the same number.

    Two runs have then measured it at once, or results of two folders were put together: the pairs are no sequence.
    """
    owners: dict[int, str] = {}
    for session in sessions:
        folder = str(session.attempt.folder)
        for number in _list_numbers(session):
            if number in owners:
                raise UserError(
                    f"{folder}: has pair {number}, and so has {owners[number]}; they are no one sequence, remove one "
                    f"(rm -r {folder}) and run the workflow again"
                )
            owners[number] = folder


def find_next_pair(sessions: Sequence[PairsSession]) -> int:
    """Return the number with which the next session of a sequence of pairs begins, whatever of it was removed."""
    numbers = [number for session in sessions for number in _list_numbers(session)]
    return max(numbers, default=-1) + 1


def require_each_once(sessions: Sequence[PairsSession], document: FilePath) -> None:
    """Raise UserError if a document of a sequence of pairs counts a session twice."""
    require_no_copies([session.attempt for session in sessions], document)


def _list_numbers(session: PairsSession) -> list[int]:
    return [entry["pair"] for entry in session.record["pairs"] if entry["status"] == "ok"]
