"""Measure what planning, reporting and judging thousands of cells costs, and write `results/bench/scale.json`."""

import argparse
import tempfile
from pathlib import Path

from edgeproof.bench.judging_cost import describe_part
from edgeproof.bench.scale import measure_scale
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> int:
    """Measure every part; return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=3000, help="a multiple of four (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=5, help="processes per cell")
    parser.add_argument("--samples", type=int, default=200, help="samples per process")
    parser.add_argument("--comparisons", type=int, default=750)
    parser.add_argument("--pairs", type=int, default=6, help="pairs per comparison")
    parser.add_argument("--output", default="results/bench/scale.json", help="document to write")
    args = parser.parse_args(argv)
    sizes = {name: getattr(args, name) for name in ("cells", "processes", "samples", "comparisons", "pairs")}
    with tempfile.TemporaryDirectory(prefix="edgeproof-scale-") as folder:
        report = measure_scale(Path(folder), sizes, lambda part: print(describe_part(part), flush=True))
    write_json(args.output, report, "bench-scale")
    pages = report["pages"]
    first, largest = (f"{pages[key] / 1e3:.0f} kB" for key in ("first_bytes", "largest_model_bytes"))
    print(f"first page {first}, largest of a model's {largest}")
    print(f"longest command {report['longest_command_bytes']} bytes; limits {'met' if report['met'] else 'MISSED'}")
    return 0 if report["met"] else 1


if __name__ == "__main__":
    run_program(main)
