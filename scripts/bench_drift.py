"""Try the drift control on this machine: planted changes, and sessions without one (`make bench-drift`)."""

import argparse
from pathlib import Path

from edgeproof.bench.drift_trials import Setting, run_trials
from edgeproof.bench.trial_arms import HERE, describe_arm, read_trial_protocol
from edgeproof.core.documents import write_json
from edgeproof.core.program_start import run_program


def main(argv: list[str] | None) -> None:
    """Run the trials and write how many sessions name a change, and what the control costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15, help="begin no further session then")
    parser.add_argument("--sessions", type=int, default=40, help="per case, at most")
    parser.add_argument("--seconds", type=float, default=4.5, help="of a session, in time lapse")
    parser.add_argument("--pairs", type=int, default=30, help="of the session that says what the control costs")
    parser.add_argument("--folder", type=Path, default=Path("results/calibration/drift"), help="of its attempt")
    parser.add_argument("--output", default="results/bench/drift.json", help="document to write")
    args = parser.parse_args(argv)
    counts = (args.sessions, args.seconds, args.minutes, args.pairs)
    setting = Setting(*counts, describe_arm("digits-cnn"), read_trial_protocol(), HERE, args.folder)
    write_json(args.output, run_trials(setting, lambda line: print(line, flush=True)), "bench-drift")


if __name__ == "__main__":
    run_program(main)
