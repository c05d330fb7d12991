"""Measure what a no-op of a large campaign costs against a bare Snakefile, and write `results/bench/noop.json`."""

import argparse
import tempfile
from pathlib import Path

from edgeproof.bench.noop import measure_noop
from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None = None) -> int:
    """Measure every case; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="processes of each side (default: %(default)s)")
    parser.add_argument("--output", default="results/bench/noop.json", help="document to write")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="edgeproof-noop-") as folder:
        report = measure_noop(Path(folder), args.repeats, lambda case: print(describe(case), flush=True))
    write_json(args.output, report, "bench-noop")
    return 0 if report["met"] else 1


def describe(case: Json) -> str:
    """Return one line about a case."""
    ours, bare = (f"{case[f'{side}_user_seconds']:.2f} s" for side in ("ours", "bare"))
    verdict = "met" if case["met"] else "MISSED"
    figures = f"{ours} against {bare} bare: {case['ratio']:.2f} times, {case['extra']:.2f} s more"
    return f"{case['name']} of {case['cells']} cells: {figures}; target {case['target']}: {verdict}"


if __name__ == "__main__":
    run_program(main)
