"""Measure what two memory-bound stages lose to each other, and whether plans foretell it (`make bench-contention`)."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from edgeproof.bench.contention_trials import Setting, run_trials
from edgeproof.core.documents import write_json
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.processes import child_environment
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> ExitCode:
    """Measure and write what was found; exit 1 where a slowdown is foretold worse than within the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=4096, help="of the matrices (default: %(default)s, 67 MB each)")
    parser.add_argument("--rounds", type=int, default=5, help="of fresh processes (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=60, help="per round and pair (default: %(default)s)")
    parser.add_argument("--output", default="results/bench/contention.json", help="document to write")
    args = parser.parse_args(argv)
    os.environ["PYTHONPATH"] = child_environment(sys.executable)["PYTHONPATH"]  # of the processes that run stages
    with tempfile.TemporaryDirectory() as folder:
        document = run_trials(Setting(Path(folder), args.width, args.rounds, args.calls), print)
    write_json(args.output, document, "bench-contention")
    return ExitCode.GOOD if document["met"] else ExitCode.NOT_GOOD


if __name__ == "__main__":
    run_program(main)
