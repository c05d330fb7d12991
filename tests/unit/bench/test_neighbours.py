import os
import select
import time
from pathlib import Path

from edgeproof.bench.neighbours import start_neighbours


def test_neighbours_are_busy_and_end_with_the_block():
    with start_neighbours(2) as pids:
        descriptors = [os.pidfd_open(pid) for pid in pids]
        deadline = time.monotonic() + 30
        while any(spent(pid) < 20 for pid in pids):  # ticks of 10 ms
            assert time.monotonic() < deadline, "a neighbour does nothing"
            time.sleep(0.05)
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], 10)[0], "a neighbour is still there"
        os.close(descriptor)


def spent(pid):
    """Return the processor time of a process, in ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
