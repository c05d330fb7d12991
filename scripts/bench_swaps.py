"""Swap variants under load with planted faults, and judge the log (`make bench-swaps`)."""

import argparse
import json
import tempfile
from pathlib import Path

from edgeproof.bench.swap_trials import run_swaps
from edgeproof.bench.swap_verdicts import judge_log
from edgeproof.core.documents import write_json
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> ExitCode:
    """Run the swaps, or with `--verify` only judge a log that is there; exit 1 where the proof fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swaps", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=150.0, help="over at least so long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the plan (default: %(default)s)")
    parser.add_argument("--log", type=Path, default=Path("results/swap-proof/log.jsonl"), help="raw log to write")
    parser.add_argument("--verify", type=Path, metavar="LOG", help="judge this log and run nothing")
    parser.add_argument("--output", default="results/bench/swap-proof.json", help="document to write")
    args = parser.parse_args(argv)
    if args.verify is None:
        args.log.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder, args.log.open("w", encoding="utf-8", buffering=1) as stream:
            amount = (args.swaps, args.seconds)
            run_swaps(Path(folder), *amount, args.seed, lambda line: print(json.dumps(line), file=stream))
    document = judge_log(args.verify or args.log)
    if args.verify is None:
        write_json(args.output, document, "bench-swaps")
    shown = ("swaps", "rolled_back", "requests", "answered_once", "wrong_variant", "dropped", "seconds", "proved")
    print(json.dumps({name: document[name] for name in shown}))
    for name in ("unexpected", "wrong_counters", "left_over"):
        if document[name]:
            print(f"{name}: {'; '.join(document[name])}")
    return ExitCode.GOOD if document["proved"] else ExitCode.NOT_GOOD


if __name__ == "__main__":
    run_program(main)
