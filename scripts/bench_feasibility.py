"""Swap variants for real while a neighbour comes and goes: is what a replay predicts of memory what then happens?"""

import argparse
from pathlib import Path

from edgeproof.bench.feasibility_trials import measure_feasibility
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Measure, and write `results/bench/feasibility.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swaps", type=int, default=200)
    parser.add_argument("--settle", type=float, default=0.2, help="seconds between a swap and its reading")
    parser.add_argument("--trace", type=Path, default=Path("results/feasibility/trace.jsonl"), help="trace to write")
    parser.add_argument("--output", default="results/bench/feasibility.json", help="document to write")
    args = parser.parse_args(argv)
    report = measure_feasibility(args.swaps, args.settle, args.trace)
    write_json(args.output, report, "bench-feasibility")
    for name in ("at_rest", "neighbour_moved"):
        part = report[name]
        print(
            f"{name}: {part['swaps']} swaps, off by {part['error_median_mb']:.1f} MB (median),"
            f" {part['error_max_mb']:.1f} MB at most; feasibility wrong in {part['wrong']}"
        )


if __name__ == "__main__":
    run_program(main)
