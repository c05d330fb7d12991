"""`edgeproof plans`: plan a scenario, or verify a plan file.

Here are the verbs and their options. What they do is in `plan_verbs`, which is imported when a verb runs: `--help` and
completion need no solver.
"""

import sys
from argparse import ArgumentTypeError
from pathlib import Path

from edgeproof.core.command_line import CommandParser, NameLists, add_verbs, amount, count, positive, read_options
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.program_start import run

VERBS = {
    "solve": "find the best placements of a scenario; exit 1 if there is none, 3 if that or the best is not proved",
    "verify": "recompute a plan file; exit 1 if it is refuted, 3 if something in it is not proved",
}
# As in scenario/goals.py and plan_verbs.py, which bring numpy and the solver; a test compares them.
GOALS = ("latency", "efficiency", "balanced", "min-latency", "min-energy", "throughput", "accuracy-first")
METRICS = ("latency", "energy", "switches", "accuracy", "period")
FORMATS = ("text", "json", "csv", "html", "pareto-csv")


def main(argv: list[str], root: Path | str = REPOSITORY) -> ExitCode:
    """Run one verb of `edgeproof plans` and return its exit code; UserError for a mistake. `root`: has `results/`."""
    options = read_options(build_plans_parser(), argv)
    from .plan_verbs import RUN  # after the options: a mistake in them needs no solver

    return RUN[options.verb](options, Path(root))


def build_plans_parser() -> CommandParser:
    """Return the parser of `edgeproof plans` with all its verbs."""
    parser = CommandParser(prog="edgeproof plans", description="Place the stages of a pipeline, and prove it.")
    verbs = add_verbs(parser, VERBS)
    solve, verify = verbs["solve"], verbs["verify"]
    goals = f"{', '.join(GOALS)} or lex:METRIC,METRIC,… of {', '.join(METRICS)}"
    solve.add_argument(
        "scenario", metavar="SCENARIO", help="scenario file (version 1 or 2), a pipeline's name, or - (standard input)"
    )
    solve.add_argument("--goal", metavar="GOAL", default="balanced", help=f"{goals} (default: %(default)s)")
    solve.add_argument("--top-k", type=positive, default=3, help="how many placements (default: %(default)s)")
    solve.add_argument("--format", choices=FORMATS, help="of the plan (default: text; json with --json)")
    solve.add_argument("--output", metavar="FILE", help="write the plan here (-: standard output)")
    for name in ("latency-ms", "energy-mj", "accuracy-drop", "period-ms"):
        solve.add_argument(f"--max-{name}", type=amount, help="a further limit; the scenario's own limit stays")
    solve.add_argument(
        "--effort",
        type=amount,
        default=60.0,
        help="how long to search, in seconds that CP-SAT counts the same on every machine (default: %(default)s)",
    )
    solve.add_argument("--max-labels", type=positive, default=400_000, help="labels per stage (default: %(default)s)")
    solve.add_argument("--gap", type=_share, default=0.0, help="end within this share of the optimum, such as 0.01")
    solve.add_argument(
        "--time-limit", metavar="SECONDS", type=amount, help="end by the clock with the best plan so far"
    )
    solve.add_argument("--front", action="store_true", help="trace the Pareto fronts, with and without caps")
    solve.add_argument("--draws", type=count, default=200, help="resamplings for robustness (default: %(default)s)")
    solve.add_argument("--seed", type=int, default=0, help="of the resampling (default: %(default)s)")
    verify.add_argument("plan", metavar="PLAN", help="plan.json, or PIPELINE/GOAL")
    verify.add_argument("--scenario", metavar="SCENARIO", help="scenario file (default: the one that the plan names)")
    verify.add_argument(
        "--limit",
        type=count,
        default=200_000,
        help="try all placements if there are at most so many (default: %(default)s)",
    )
    return parser


def _share(text: str) -> float:
    """Return the value of an option that is a share: at least 0, below 1 (argparse `type`)."""
    if (value := amount(text)) >= 1:
        raise ArgumentTypeError(f"{text} must be below 1")
    return value


def list_completions(root: Path) -> NameLists:
    """Return, by the metavar of an argument of `edgeproof plans`, the functions that list the names it takes."""
    from . import plan_names

    return {
        "SCENARIO": lambda: plan_names.list_scenarios(root),
        "PLAN": lambda: plan_names.list_plans(root),
        "GOAL": lambda: [*GOALS],
    }


if __name__ == "__main__":
    sys.exit(run(main))
