"""What every document of a benchmark says of the machine that ran it."""

import os
import platform

from edgeproof.core.configuration import Json


def describe_bench_machine() -> Json:
    """Return what of this machine decides the times of benchmarks: processor, cores, Python."""
    processor = platform.processor() or platform.machine()
    return {"processor": processor, "cores": os.cpu_count(), "python": platform.python_version()}
