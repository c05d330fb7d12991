"""Time one session by MLPerf LoadGen and by ourselves, in turn (`make bench-loadgen`)."""

import argparse
from pathlib import Path

from edgeproof.artifacts.toolchains.toolchain_use import open_toolchain
from edgeproof.bench.loadgen_trials import Setting, run_trials
from edgeproof.bench.trial_arms import THREADS, describe_arm
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Run the processes and write the ratio of medians with its interval."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toolchain", default="results/toolchains/loadgen.json", help="record of its environment")
    parser.add_argument("--model", default="squeezenet", choices=THREADS, help="model to time")
    parser.add_argument("--threads", type=int, default=1, help="of the runtime; LoadGen's own need a free core")
    parser.add_argument("--processes", type=int, default=5, help="fresh processes")
    parser.add_argument("--turns", type=int, default=20, help="of either way, per process")
    parser.add_argument("--queries", type=int, default=100, help="per turn")
    parser.add_argument("--folder", type=Path, default=Path("results/calibration/loadgen"), help="of LoadGen's logs")
    parser.add_argument("--output", default="results/bench/loadgen.json", help="document to write")
    args = parser.parse_args(argv)
    with open_toolchain(args.toolchain) as (interpreter, record):
        version = record["packages"]["mlcommons_loadgen"]
        counts = (args.processes, args.turns, args.queries)
        setting = Setting(args.model, describe_arm(args.model, args.threads), *counts, interpreter, args.folder)
        document = run_trials(setting, version, lambda line: print(line, flush=True))
    write_json(args.output, document, "bench-loadgen")


if __name__ == "__main__":
    run_program(main)
