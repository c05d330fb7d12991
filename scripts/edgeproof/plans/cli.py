"""`edgeproof plans`: plan a scenario file, or check a plan file."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from edgeproof.core.cli import run
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.plan_page import render_page
from edgeproof.plans.outcome.plan_tables import describe_failure, render_csv, render_pareto_csv, render_text
from edgeproof.plans.outcome.planning import Request, plan_scenario, tighten_limits
from edgeproof.plans.scenario.goals import BLENDS, METRICS, SEQUENCES
from edgeproof.plans.scenario.loading import load_scenario
from edgeproof.plans.solver.search import Effort
from edgeproof.plans.verifier.verification import ENUMERATED, verify_plan

FORMATS: dict[str, Callable[[Json], str]] = {
    "text": render_text,
    "json": lambda document: json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    "csv": render_csv,
    "html": render_page,
    "pareto-csv": render_pareto_csv,
}
_WITH_CERTIFICATE = ("json", "html")  # formats that say why there is no plan


def main(argv: list[str] | None = None) -> int:
    """Run one verb; return 0, or 1 when there is no plan or the plan is refuted. UserError for a user's mistake."""
    options = _read_arguments(argv)
    return solve(options) if options.verb == "solve" else verify(options)


def solve(options: argparse.Namespace) -> int:
    """Plan a scenario. Without a plan, print one line; only formats that contain the certificate are then written."""
    scenario = load_scenario(options.scenario)
    scenario = tighten_limits(
        scenario,
        latency_ms=options.max_latency_ms,
        energy_mj=options.max_energy_mj,
        accuracy_drop=options.max_accuracy_drop,
        period_ms=options.max_period_ms,
    )
    request = Request(
        goal=options.goal,
        top_k=options.top_k,
        effort=Effort(options.max_labels, options.effort),
        front=options.front,
        draws=options.draws,
        seed=options.seed,
    )
    document = build_plan_document(plan_scenario(scenario, request), options.scenario)
    if document["plans"] or options.format in _WITH_CERTIFICATE:
        text = FORMATS[options.format](document)
        if options.output:
            try:
                atomic_write(options.output, text)
            except OSError as error:
                raise UserError(f"--output {options.output}: cannot be written ({error.strerror})") from error
            print(f"wrote {options.output}")
        else:
            sys.stdout.write(text)
    if document["plans"]:
        return 0
    print(f"error: {describe_failure(document)}", file=sys.stderr)
    return 1


def verify(options: argparse.Namespace) -> int:
    """Recompute a plan file from its scenario; print every refutation and what was checked."""
    document = read_json(options.plan, "plan")
    source = options.scenario or document["scenario"]["source"]
    if source is None:
        raise UserError(f"{options.plan}: scenario.source is null; give the scenario file with --scenario")
    verdict = verify_plan(document, load_scenario(source), options.limit)
    for sentence in verdict.failures:
        print(f"refuted: {sentence}")
    outcome = "holds" if verdict.ok else "does not hold"
    print(
        f"{options.plan} {outcome}: {verdict.checks} checks, {len(verdict.failures)} refuted;"
        f" optimality {verdict.optimality}"
    )
    return 0 if verdict.ok else 1


def _read_arguments(argv):
    parser = argparse.ArgumentParser(
        prog="edgeproof plans", description="Decide on which device each stage of a pipeline runs, with a proof."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    goals = f"{', '.join([*BLENDS, *SEQUENCES])} or lex:METRIC,METRIC,… of {', '.join(METRICS)}"
    one = verbs.add_parser("solve", help="find the best placements of a scenario and prove that they are the best")
    one.add_argument("scenario", help="scenario file (version 1 or 2)")
    one.add_argument("--goal", default=Request.goal, help=f"{goals} (default: %(default)s)")
    one.add_argument(
        "--top-k", type=_positive, default=Request.top_k, help="how many placements (default: %(default)s)"
    )
    one.add_argument("--format", choices=FORMATS, default="text")
    one.add_argument("--output", type=Path, help="file to write instead of the terminal; missing folders are created")
    for name in ("latency-ms", "energy-mj", "accuracy-drop", "period-ms"):
        one.add_argument(
            f"--max-{name}", type=_amount, help="an additional limit; the scenario's own limit still holds"
        )
    one.add_argument(
        "--effort", type=_amount, default=Effort.seconds, help="deterministic seconds of CP-SAT (default: %(default)s)"
    )
    one.add_argument(
        "--max-labels", type=_positive, default=Effort.labels, help="labels per stage of a chain (default: %(default)s)"
    )
    one.add_argument("--no-front", dest="front", action="store_false", help="do not trace the Pareto fronts")
    one.add_argument(
        "--draws",
        type=_count,
        default=Request.draws,
        help="resamplings for robustness, 0 for none (default: %(default)s)",
    )
    one.add_argument("--seed", type=int, default=Request.seed, help="seed of the resampling (default: %(default)s)")
    other = verbs.add_parser("verify", help="check a plan file by recomputing it without the solver")
    other.add_argument("plan", help="plan.json to check")
    other.add_argument("--scenario", help="scenario file (default: the one that the plan names)")
    other.add_argument(
        "--limit",
        type=int,
        default=ENUMERATED,
        help="try all placements if there are at most this many (default: %(default)s)",
    )
    return parser.parse_args(argv)


def _positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} must be positive")
    return value


def _count(text):
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} must not be negative")
    return value


def _amount(text):
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be a number of at least 0")
    return value


if __name__ == "__main__":
    sys.exit(run(main))
