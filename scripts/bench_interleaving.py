"""Compare pairs by blocks with pairs by whole processes on this machine (`make bench-interleaving`)."""

import argparse
import sys
from pathlib import Path

from edgeproof.bench.interleaving_trials import FEWEST_PAIRS, run_trials
from edgeproof.bench.trial_arms import HERE, THREADS, TrialSetting, describe_arm, read_trial_protocol
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Measure the pairs of both ways in turn and write what they show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=19, help="begin no further session then")
    parser.add_argument("--pairs", type=int, default=30, help="of either way, per model and state, at most")
    parser.add_argument("--pairs-per-session", type=int, default=5, help="before the other way has its turn")
    parser.add_argument("--models", nargs="+", choices=THREADS, default=list(THREADS), help="models to measure")
    parser.add_argument("--folder", type=Path, default=Path("results/calibration/interleaving"), help="of the attempts")
    parser.add_argument("--output", default="results/bench/interleaving.json", help="document to write")
    args = parser.parse_args(argv)
    if args.pairs_per_session < FEWEST_PAIRS:
        parser.error(f"--pairs-per-session: {FEWEST_PAIRS} at least, so that a spread is known")
    plan = {name: getattr(args, name) for name in ("pairs", "pairs_per_session", "minutes")}
    arms = {model: describe_arm(model) for model in args.models}
    setting = TrialSetting(arms, read_trial_protocol(), plan, HERE, sys.executable, args.folder)
    write_json(args.output, run_trials(setting, lambda line: print(line, flush=True)), "bench-interleaving")


if __name__ == "__main__":
    run_program(main)
