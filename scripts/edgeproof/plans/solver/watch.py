"""How far a search may go: effort, the clock, and who is told how far it is."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

LABEL_LIMIT = 400_000  # labels per stage by default
_QUIET_S = 2.0  # between two reports, and before the first one

Tell = Callable[[float, float, float], None]


class Watch:
    """The end of a search in wall-clock seconds from now (None: none), or at once after `stop`.

    `tell(seconds, objective, bound)` is called every few seconds with the best plan so far.
    """

    def __init__(self, seconds: float | None = None, tell: Tell | None = None) -> None:
        self.started = time.monotonic()
        self.end = math.inf if seconds is None else self.started + seconds
        self.stopped, self._tell, self._told = False, tell, self.started

    @property
    def left(self) -> float:
        """Seconds until the end, at least 0."""
        return 0.0 if self.stopped else max(0.0, self.end - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the search has to end."""
        return self.left <= 0.0

    def stop(self) -> None:
        """End the search."""
        self.stopped = True

    def mute(self) -> None:
        """Tell nothing any more; what follows are questions beside the one that was asked."""
        self._tell = None

    def note(self, objective: float, bound: float) -> None:
        """Tell of the best plan so far, in readers' units of the first level, if the last report is a while ago."""
        now = time.monotonic()
        if self._tell is not None and now - self._told >= _QUIET_S:
            self._told = now
            self._tell(now - self.started, objective, bound)


@dataclass(frozen=True)
class Effort:
    """How far a search may go: labels per stage of a chain, and deterministic seconds of CP-SAT.

    With a `gap` above 0, a search may stop when (objective − bound) / objective is below it; ties are then not broken.
    `watch` ends it by the wall clock.
    """

    labels: int = LABEL_LIMIT
    seconds: float = 60.0
    gap: float = 0.0
    watch: Watch = field(default_factory=Watch, compare=False)
