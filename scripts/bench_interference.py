"""Measure what taking turns changes, with nothing and with 3 % planted (`make bench-interference`)."""

import argparse
from pathlib import Path
from typing import Any

from edgeproof.bench.interference_trials import Setting, list_candidates, run_trials
from edgeproof.bench.trial_arms import HERE, read_trial_protocol
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program

# Long pairs: loading is paid once for two stretches alone, one of each arm.
_LONG = {"block_pairs": 80, "pair_seconds": 120}


def main(argv: list[str] | None) -> None:
    """Measure every artifact that is there and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20, help="begin no further session then")
    parser.add_argument("--pairs", type=int, default=60, help="per artifact and planted share, at most")
    parser.add_argument("--pairs-per-session", type=int, default=2, help="before another artifact has its turn")
    parser.add_argument("--folder", type=Path, default=Path("results/calibration/interference"), help="of the attempts")
    parser.add_argument("--output", default="results/bench/interference.json", help="document to write")
    args = parser.parse_args(argv)
    protocol: Any = read_trial_protocol()
    counts = (args.pairs, args.pairs_per_session, args.minutes)
    setting = Setting(list_candidates(_show), *counts, protocol | _LONG, HERE, args.folder)
    write_json(args.output, run_trials(setting, _show), "bench-interference")


def _show(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    run_program(main)
