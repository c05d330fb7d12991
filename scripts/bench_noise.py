"""Try the method on this machine: A/A comparisons, a known slow-down, naive protocols (`make bench-noise`)."""

import argparse
import sys
from pathlib import Path

from edgeproof.bench.noise_trials import run_trials
from edgeproof.bench.trial_arms import HERE, THREADS, TrialSetting, describe_arm, read_trial_protocol
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Run the trials that are missing; their rates are in the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=40, help="of either kind, per model and state, at most")
    parser.add_argument("--minutes", type=float, default=90, help="begin no further comparison then")
    parser.add_argument("--pairs", type=int, default=60, help="pairs per comparison, at most")
    parser.add_argument("--seconds", type=float, default=15, help="per A/A comparison, at most")
    parser.add_argument("--slowed-seconds", type=float, default=120, help="per slowed comparison, at most")
    parser.add_argument("--slowdown", type=float, default=0.05, help="share by which the right arm is slowed down")
    parser.add_argument("--models", nargs="+", choices=THREADS, default=list(THREADS), help="models to compare")
    parser.add_argument("--folder", type=Path, default=Path("results/calibration/trials"), help="where the attempts go")
    parser.add_argument("--output", default="results/bench/noise.json", help="document to write")
    args = parser.parse_args(argv)
    arms = {model: describe_arm(model) for model in args.models}
    budget = {"pairs": args.pairs, "seconds": args.seconds, "slowed_seconds": args.slowed_seconds}
    asked = {"comparisons": args.comparisons, "minutes": args.minutes}
    plan = asked | {"slowdown": args.slowdown, "budget": budget}
    setting = TrialSetting(arms, read_trial_protocol(), plan, HERE, sys.executable, args.folder)
    run_trials(
        setting,
        lambda line: print(line, flush=True),
        lambda document: write_json(args.output, document, "bench-noise"),
    )


if __name__ == "__main__":
    run_program(main)
