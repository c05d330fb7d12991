"""Measure what serving and swapping cost (`make bench-serving`)."""

import argparse
import tempfile
from pathlib import Path

from edgeproof.bench.serving_trials import ServingTrial, run_serving_trials
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Measure, and write `results/bench/serving.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=12, help="per server (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="per turn (default: %(default)s)")
    parser.add_argument(
        "--swap-seconds", type=float, default=180.0, help="under load with swaps (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=1_000_000, help="of the replay (default: %(default)s)")
    parser.add_argument("--output", default="results/bench/serving.json", help="document to write")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        trial = ServingTrial(Path(folder), args.turns, args.seconds, args.swap_seconds, steps=args.steps)
        document = run_serving_trials(trial, lambda line: print(line, flush=True))
    write_json(args.output, document, "bench-serving")


if __name__ == "__main__":
    run_program(main)
