"""Measure how long replaying a trace of a million moments takes, and write `results/bench/replay.json`."""

import argparse
import tempfile
from pathlib import Path

from edgeproof.bench.replay_trials import measure_replay
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> int:
    """Measure, write what was found, and return 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--output", default="results/bench/replay.json", help="document to write")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="edgeproof-replay-") as folder:
        report = measure_replay(Path(folder), args.steps)
    write_json(args.output, report, "bench-replay")
    met = "met" if report["met"] else "MISSED"
    print(f"{report['steps']} steps: {report['seconds']:.1f} s; target 20 s a million: {met}")
    return 0 if report["met"] else 1


if __name__ == "__main__":
    run_program(main)
