"""Whether two arms can be measured by blocks, or only as whole processes in turn, and why."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterable, Optional

from .backends.opening import find_obstacle
from .memory import read_memory_left
from .specs import AnyArm

BLOCKS, PROCESSES = "blocks", "processes"
# What loading an artifact takes at most, until a process has shown it: a multiple of its size, and the runtime.
_TIMES_ARTIFACT, _RUNTIME_BYTES = 4, 200_000_000
_RESERVE = 1.1


class MemoryNeeds:
    """What the processes of the arms take: estimated from the size of the artifact until one has shown it."""

    def __init__(self, arms: Dict[str, AnyArm]) -> None:
        self._sizes = {name: _size_of(arm) for name, arm in arms.items()}
        self._shown: Dict[str, int] = {}

    def record(self, arm: str, peak_bytes: int) -> None:
        """Keep what a process of this arm took."""
        self._shown[arm] = max(peak_bytes, self._shown.get(arm, 0))

    def find_shortage(self, arms: Iterable[str]) -> Optional[str]:
        """Return why processes of these arms do not fit into the memory that is left; None if they do, or if the
        machine does not say what is left.
        """
        wanted = list(arms)
        left, needed = read_memory_left(), int(_RESERVE * sum(map(self._estimate, wanted)))
        if left is None or needed <= left:
            return None
        return "memory: {} need about {:.0f} MB, and {:.0f} MB are left".format(
            " and ".join(wanted), needed / 1e6, left / 1e6
        )

    def _estimate(self, arm: str) -> int:
        """Return what a process of this arm takes: as it has shown, or what its artifact's size and the others say."""
        if arm in self._shown:
            return self._shown[arm]
        like_others = [peak * self._sizes[arm] // max(1, self._sizes[other]) for other, peak in self._shown.items()]
        return max([_TIMES_ARTIFACT * self._sizes[arm] + _RUNTIME_BYTES, *like_others])


def find_reason_for_processes(arms: Dict[str, AnyArm]) -> Optional[str]:
    """Return why two arms cannot be interleaved by blocks, but only run as whole processes in turn; None if they can:
    known before anything is started.
    """
    for name, arm in arms.items():
        obstacle = arm.get("alone") or find_obstacle(arm)
        if obstacle:
            return "{}: {}".format(name, obstacle)
    return None


def _size_of(arm: Any) -> int:
    try:
        return os.path.getsize(arm["artifact"])
    except (KeyError, OSError):
        return 0
