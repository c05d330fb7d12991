"""The memory of a process, and what is left of the machine's."""

from __future__ import annotations

import os
import resource
import sys
from typing import Iterator, List, Optional


def peak_memory_bytes(pid: Optional[int] = None) -> int:
    """Return the peak resident memory of a process in bytes; of this one without `pid`.

    `VmHWM` where there is a /proc: `ru_maxrss` would carry the parent's peak over the exec.
    """
    for line in _lines("/", "proc/{}/status".format("self" if pid is None else pid)):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def read_memory_left(root: str = "/") -> Optional[int]:
    """Return how many bytes new processes of ours may use: what the kernel has available, or what our control group
    and the groups above it have left of their limits, whichever is least. None where nothing says.
    """
    return min([*_available(root), *_group_2_left(root), *_group_1_left(root)], default=None)


def read_oom_kills(root: str = "/") -> int:
    """Return how many processes the kernel has killed for want of memory since boot (0 where it does not say)."""
    for line in _lines(root, "proc/vmstat"):
        if line.startswith("oom_kill "):
            return int(line.split()[1])
    return 0


def _available(root: str) -> Iterator[int]:
    for line in _lines(root, "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _group_2_left(root: str) -> Iterator[int]:
    """Yield what is left of each limit (version 2): the file cache can be given back."""
    own = next((line[3:] for line in _lines(root, "proc/self/cgroup") if line.startswith("0::/")), None)
    while own is not None:
        folder = os.path.join("sys/fs/cgroup", own.strip("/"))
        limit, used = _number(root, folder, "memory.max"), _number(root, folder, "memory.current")
        if limit is not None and used is not None:
            yield limit - used + _file_cache(root, folder, ("inactive_file", "active_file"))
        own = os.path.dirname(own.rstrip("/")) if own.strip("/") else None


def _group_1_left(root: str) -> Iterator[int]:
    """Yield what is left of the limit (version 1); a limit beyond the machine's memory is none, and largest here."""
    folder = "sys/fs/cgroup/memory"
    limit, used = _number(root, folder, "memory.limit_in_bytes"), _number(root, folder, "memory.usage_in_bytes")
    if limit is not None and used is not None:
        yield limit - used + _file_cache(root, folder, ("total_inactive_file", "total_active_file"))


def _file_cache(root: str, folder: str, names: "tuple[str, str]") -> int:
    pairs = (line.split() for line in _lines(root, os.path.join(folder, "memory.stat")))
    return sum(int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] in names)


def _number(root: str, folder: str, name: str) -> Optional[int]:
    text = "".join(_lines(root, os.path.join(folder, name))).strip()
    return int(text) if text.isdigit() else None


def _lines(root: str, path: str) -> List[str]:
    try:
        with open(os.path.join(root, path), encoding="ascii", errors="replace") as stream:
            return stream.read().splitlines()
    except OSError:
        return []
