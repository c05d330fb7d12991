"""Measure what the registry costs with 100,000 runs, and write `results/bench/registry.json`."""

import argparse
import tempfile
from pathlib import Path

from edgeproof.bench.registry_scale import measure_registry
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> int:
    """Measure every part; return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000, help="runs that are made up (default: %(default)s)")
    parser.add_argument("--output", default="results/bench/registry.json", help="document to write")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="edgeproof-registry-") as folder:
        report = measure_registry(Path(folder), args.runs, lambda line: print(line, flush=True))
    write_json(args.output, report, "bench-registry")
    print(f"limits {'met' if report['met'] else 'MISSED'}")
    return 0 if report["met"] else 1


if __name__ == "__main__":
    run_program(main)
