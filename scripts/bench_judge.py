"""Measure what judging a large campaign costs, made up in a temporary folder, and write `results/bench/judge.json`."""

import argparse
import tempfile

from edgeproof.bench.judging_cost import PARTS, describe_part, measure_judging, run_part
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> int:
    """Measure all parts, or do one; return 1 when the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=10, help="processes per cell")
    parser.add_argument("--samples", type=int, default=1000, help="samples per process")
    parser.add_argument("--comparisons", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=10, help="pairs per comparison")
    parser.add_argument("--output", default="results/bench/judge.json", help="document to write")
    parser.add_argument("--part", choices=PARTS, help="do one part of the work in the current folder, measure nothing")
    parser.add_argument("--threads", type=int, default=1, help="with --part: processes that share it")
    args = parser.parse_args(argv)
    if args.part:
        run_part(args.part, args.threads)
        return 0
    sizes = {name: getattr(args, name) for name in ("cells", "processes", "samples", "comparisons", "pairs")}
    with tempfile.TemporaryDirectory(prefix="edgeproof-judge-") as folder:
        report = measure_judging(folder, sizes, lambda part: print(describe_part(part), flush=True))
    write_json(args.output, report, "bench-judge")
    met = "met" if report["met"] else "MISSED"
    print(f"in all: {report['seconds']:.1f} s; target {report['target_seconds']:g} s: {met}")
    return 0 if report["met"] else 1


if __name__ == "__main__":
    run_program(main)
