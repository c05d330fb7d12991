"""Measure what the observer costs per stage and per call, and write `results/bench/observer.json`."""

import argparse
import tempfile
from pathlib import Path

from edgeproof.bench.observer_cost import measure_observer
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> int:
    """Measure; return 1 when the limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200_000, help="how many calls (default: %(default)s)")
    parser.add_argument("--output", default="results/bench/observer.json", help="document to write")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="edgeproof-observer-") as folder:
        report = measure_observer(Path(folder), args.calls)
    write_json(args.output, report, "bench-observer")
    print(f"stage {report['stage_ns']['median']} ns, call {report['call_ns']['median']} ns (medians of {args.calls})")
    return 0 if report["met"] else 1


if __name__ == "__main__":
    run_program(main)
