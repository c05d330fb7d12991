"""What the verbs of `edgeproof plans` do: each prints for people or as JSON, and returns an exit code."""

import json
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import atomic_write
from edgeproof.core.seals import SEAL, is_sealed
from edgeproof.plans.outcome.explanation import explain_empty_document
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.plan_page import render_page
from edgeproof.plans.outcome.plan_tables import render_pareto_table, render_plan_table, render_plan_text
from edgeproof.plans.outcome.planning import Request, add_requested_limits, plan_scenario
from edgeproof.plans.scenario.loading import load_scenario
from edgeproof.plans.solver.search import Effort
from edgeproof.plans.verifier.verification import Verdict, verify_plan

from .plan_names import find_plan, find_scenario

RENDERERS: dict[str, Callable[[Json], str]] = {
    "text": render_plan_text,
    "json": lambda document: json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    "csv": render_plan_table,
    "html": render_page,
    "pareto-csv": render_pareto_table,
}
_CERTIFYING = ("json", "html")  # these formats say why there is no plan
_CODES = {"optimal": ExitCode.GOOD, "gap": ExitCode.NOT_PROVED, "unknown": ExitCode.NOT_PROVED}


def solve(options: Namespace, root: Path) -> ExitCode:
    """Verb `solve`: plan a scenario and print or write the plan.

    If there is no plan, say why in one line; formats that carry the certificate are written all the same. NOT_GOOD if
    the scenario is infeasible, NOT_PROVED if the effort ended first or the best plan has a gap.
    """
    form = options.format or ("json" if options.json else "text")
    if options.json and form != "json" and not options.output:
        raise UserError(f"--json and --format {form}: only one of them can go to the terminal; name an --output")
    document = _plan(options, find_scenario(options.scenario, root))
    if document["plans"] or form in _CERTIFYING:
        _hand_out(options, document, RENDERERS[form](document))
    elif options.json:
        _print_outcome(options, document)
    if not document["plans"]:
        print(f"error: {explain_empty_document(document)}", file=sys.stderr)
    return _CODES.get(document["status"], ExitCode.NOT_GOOD)


def verify(options: Namespace, root: Path) -> ExitCode:
    """Verb `verify`: recompute a plan from its scenario; print what was checked and every refutation.

    NOT_GOOD if the plan is refuted, NOT_PROVED if nothing is refuted but its ranking was not proved.
    """
    path = find_plan(options.plan, root)
    document = read_json(path, "plan")
    source = options.scenario or document["scenario"]["source"]
    if source is None:
        raise UserError(f"{path}: scenario.source is null; name the scenario with --scenario")
    verdict = verify_plan(document, load_scenario(find_scenario(str(source), root)), options.limit)
    verdict.expect(is_sealed(document), f"{SEAL} does not match the rest of the plan, which was edited")
    outcome, code = conclude_verify(verdict)
    report = {
        "plan": str(path),
        "outcome": outcome,
        "checks": verdict.checks,
        "refuted": verdict.failures,
        "optimality": verdict.optimality,
    }
    count = f"{verdict.checks} checks, {len(verdict.failures)} refuted; optimality {verdict.optimality}"
    show(options, report, lambda: [*(f"refuted: {text}" for text in verdict.failures), f"{path} {outcome}: {count}"])
    return code


def conclude_verify(verdict: Verdict) -> tuple[str, ExitCode]:
    """Return how the verb `verify` ends: its outcome in words, and its exit code."""
    if not verdict.ok:
        return "is refuted", ExitCode.NOT_GOOD
    if verdict.optimality.startswith(("confirmed", "infeasibility confirmed")):
        return "holds", ExitCode.GOOD
    return "is not proved", ExitCode.NOT_PROVED


RUN: dict[str, Callable[[Namespace, Path], ExitCode]] = {"solve": solve, "verify": verify}


def _plan(options: Namespace, path: Path) -> Json:
    scenario = add_requested_limits(
        load_scenario(path),
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
    return build_plan_document(plan_scenario(scenario, request), str(path))


def _hand_out(options: Namespace, document: Json, text: str) -> None:
    """Write the plan to `--output`, or print it."""
    if not options.output:
        sys.stdout.write(text)
        return
    try:
        atomic_write(options.output, text)
    except OSError as error:
        raise UserError(f"--output {options.output}: cannot be written ({error.strerror})") from error
    _print_outcome(options, document)


def _print_outcome(options: Namespace, document: Json) -> None:
    written = {"output": options.output, "status": document["status"], "plans": len(document["plans"])}
    if not document["plans"] and not Path(options.output).is_file():
        written["output"] = None
    show(options, written, lambda: [f"wrote {options.output}"])
