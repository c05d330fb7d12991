"""Which variants may be tried: failed loads back off, and a variant that keeps failing is quarantined."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional

FIRST_WAIT_S, LONGEST_WAIT_S = 10.0, 600.0
FAILURES_TO_QUARANTINE = 3


class _Failures(NamedTuple):
    """Failures in a row of one variant: how many, until when it waits, and the file's digest at the last of them."""

    in_a_row: int
    until: float
    digest: Optional[str]


class LoadLedger:
    """Remembers failed loads by variant.

    A variant waits 10 s after its first failure, twice as long after each further one, at most 600 s. After three in a
    row it is quarantined until its file has another digest or `release` is called. Nothing here reads a clock.
    """

    def __init__(self) -> None:
        self._failures: Dict[str, _Failures] = {}

    def note_failure(self, name: str, now: float, digest: Optional[str] = None) -> None:
        """Count a load that failed at `now`, in seconds. `digest`: of the file that was loaded."""
        before = self._failures.get(name)
        count = 1 + (before.in_a_row if before else 0)
        wait = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** (count - 1))
        self._failures[name] = _Failures(count, now + wait, digest)

    def note_success(self, name: str) -> None:
        """Forget the failures of a variant that has been loaded."""
        self._failures.pop(name, None)

    def release(self, name: str) -> None:
        """Let a variant be tried again at once."""
        self._failures.pop(name, None)

    def find_block(self, name: str, now: float, digest: Optional[str] = None) -> Optional[str]:
        """Return why a variant may not be loaded now: `backoff`, `quarantine` or None. `digest`: its file's, today."""
        failures = self._failures.get(name)
        if failures is None:
            return None
        if failures.in_a_row >= FAILURES_TO_QUARANTINE:
            if digest == failures.digest or digest is None:
                return "quarantine"
            del self._failures[name]  # another file: it has failed at nothing yet
            return None
        return "backoff" if now < failures.until else None

    def list_blocks(self, now: float, digest_of: Callable[[str], Optional[str]]) -> Dict[str, str]:
        """Return {variant: why it may not be loaded now}. `digest_of`: from a variant's name to its file's digest."""
        if not self._failures:
            return {}
        names: List[str] = list(self._failures)
        found = {name: self.find_block(name, now, digest_of(name)) for name in names}
        return {name: block for name, block in found.items() if block is not None}
