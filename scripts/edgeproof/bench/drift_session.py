"""One session of the drift control in time lapse: the agent's own kernel and points, with short pauses for gaps.

A real session spreads its points over minutes. Here the kernel has most of the time, and what disturbs it changes as
many times as fast. Standard output has a line when the session is at its middle, and one with its record at the end.

    python -m edgeproof.bench.drift_session FOLDER SECONDS SEED
"""

import json
import random
import sys
import time

from edgeproof.agent.drift import DriftControl

SHARE = 0.8  # of the session's time
_LONGEST_PAUSE_S = 0.03


def run_session(folder: str, seconds: float, seed: int) -> None:
    """Time the drift control for so long and print its record; a line says when half of the time is over."""
    draw, begin = random.Random(seed), time.monotonic()
    control = DriftControl(SHARE)
    control.time_start()
    halves = 0
    while (passed := time.monotonic() - begin) < seconds:
        if passed >= seconds / 2 and not halves:
            halves = 1
            print("middle", flush=True)
        time.sleep(draw.uniform(0, _LONGEST_PAUSE_S))
        control.time_gap()
    control.time_end()
    print(json.dumps(control.save(folder)), flush=True)


if __name__ == "__main__":
    run_session(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
