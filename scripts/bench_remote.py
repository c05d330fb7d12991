"""Measure what a session over ssh costs beyond one here; write `results/bench/remote.json` (`make bench-remote`)."""

import argparse

from edgeproof.bench.remote_overhead import measure_overhead
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Measure sessions here and over the loopback interface in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20, help="of either kind (default: %(default)s)")
    parser.add_argument("--output", default="results/bench/remote.json", help="document to write")
    args = parser.parse_args(argv)
    write_json(args.output, measure_overhead(args.sessions, print), "bench-remote")


if __name__ == "__main__":
    run_program(main)
