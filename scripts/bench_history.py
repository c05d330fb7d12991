"""Find planted steps in simulated histories, and hold the answers against Apache Otava's (`make bench-history`)."""

import argparse

from edgeproof.bench.history_trials import run_trials
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Run the trials and write what was found, invented and blamed, and how often Otava finds the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--otava", required=True, help="a Python that has apache-otava")
    parser.add_argument("--histories", type=int, default=400, help="per case")
    parser.add_argument("--output", default="results/bench/history.json", help="document to write")
    args = parser.parse_args(argv)
    write_json(
        args.output, run_trials(args.otava, args.histories, lambda line: print(line, flush=True)), "bench-history"
    )


if __name__ == "__main__":
    run_program(main)
