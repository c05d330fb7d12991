"""Interrupt a small campaign at random moments, continue it each time, and write `results/bench/survival.json`."""

import argparse
import tempfile
from pathlib import Path

from edgeproof.bench.survival import CTRL_C, FULL, KILL
from edgeproof.bench.survival_report import describe_row, report_survival
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None = None) -> int:
    """Carry out every interruption; return 1 if anything was lost, repeated or half-written."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in (("kills", 30), ("full", 10), ("ctrl-c", 10), ("demo", 3)):
        parser.add_argument(f"--{name}", type=int, default=count, help="how often (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=20, help="of the moments (default: %(default)s)")
    parser.add_argument("--output", default="results/bench/survival.json", help="document to write")
    args = parser.parse_args(argv)
    counts = {KILL: args.kills, FULL: args.full, CTRL_C: args.ctrl_c}
    with tempfile.TemporaryDirectory(prefix="edgeproof-survival-", ignore_cleanup_errors=True) as folder:
        report = report_survival(
            Path(folder), counts, args.demo, args.seed, lambda row: print(describe_row(row), flush=True)
        )
    write_json(args.output, report, "bench-survival")
    return 0 if report["met"] else 1


if __name__ == "__main__":
    run_program(main)
