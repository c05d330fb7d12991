"""A stand-in for tegrastats: `tegrastats.py LINES HOW COUNT --interval MS` prints the lines of a file over and over.

HOW: `run` goes on until it is terminated; `die` ends after COUNT lines with exit code 3; `stall` says nothing more
after COUNT lines; `flood` prints as fast as it can; `garbage` prints no line of tegrastats; `count` ends well after
COUNT lines.
"""

import itertools
import signal
import sys
import time


def main(lines, how, count, interval_s):
    with open(lines, encoding="utf-8") as stream:
        known = [line.rstrip("\n") for line in stream if line.strip()]
    if how == "garbage":
        known = ["\x00\xff RAM none/many MB", "VDD_IN mW/mW", "bus error"]
    due = time.monotonic()
    for number, line in enumerate(itertools.cycle(known)):
        if number == count and how in ("die", "count"):
            return 3 if how == "die" else 0
        if number == count and how == "stall":
            signal.pause()
        print(line, flush=how != "flood")
        due += interval_s
        if how != "flood":
            time.sleep(max(0.0, due - time.monotonic()))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(
            main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[sys.argv.index("--interval") + 1]) / 1000)
        )
    except BrokenPipeError:
        sys.exit(0)
