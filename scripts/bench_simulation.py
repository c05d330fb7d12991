"""Simulate what verdicts, headlines and the drift control promise: `results/bench/simulation.json` and its tables.

The tables stand in `docs/method.md`. Some minutes.
"""

import argparse
from pathlib import Path

from edgeproof.bench.simulation import describe_line, render_page, run_simulation
from edgeproof.core.documents import write_json
from edgeproof.core.files import atomic_write
from edgeproof.core.program_start import run_program


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default="results/bench/simulation.json", help="document to write")
    parser.add_argument("--page", type=Path, default=Path("docs/method.md"), help="page whose tables to write")
    args = parser.parse_args(argv)
    document = run_simulation(report=lambda line: print(describe_line(line), flush=True))
    write_json(args.output, document, "bench-simulation")
    atomic_write(args.page, render_page(args.page.read_text(), document))
    print("all that is promised is met" if document["met"] else "MISSED: a promise is not met")
    return 0 if document["met"] else 1


if __name__ == "__main__":
    run_program(main)
