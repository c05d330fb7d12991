"""What the backends mean by "latency". Results with other boundaries are not comparable, so the words are shared."""

from __future__ import annotations

import os

from ..specs import Definition

# What is timed. Layouts and quantised inputs are made before, and undone after: `bind` and `restore` of a backend.
HOST_ARRAYS = "one inference called from Python: host arrays in, host arrays out"


def define_latency(boundary: str, threads: int, spin_wait: bool, transfers: str = "none") -> Definition:
    """Return the definition of a backend's latency: what it includes. `threads`: as given to the runtime, 0: all."""
    return {
        "boundary": boundary,
        "host_device_transfers": transfers,
        "graph_capture": False,
        "spin_wait": spin_wait,
        "threads": threads,
    }


def count_threads(wanted: int) -> int:
    """Return the threads that a latency definition names for a backend: `wanted`, for 0 one per core we may use."""
    if wanted:
        return wanted
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
