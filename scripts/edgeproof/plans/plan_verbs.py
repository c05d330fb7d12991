"""What the verbs of `edgeproof plans` do: each prints for people or as JSON, and returns an exit code."""

import contextlib
import json
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType

from edgeproof.agent.messages import tell
from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode, exit_code_of_signal
from edgeproof.core.seals import SEAL, is_sealed
from edgeproof.plans.outcome.control_characters import escape_controls
from edgeproof.plans.outcome.explanation import explain_empty_document
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.plan_page import render_page
from edgeproof.plans.outcome.plan_tables import (
    list_relaxations,
    render_pareto_table,
    render_plan_table,
    render_plan_text,
)
from edgeproof.plans.outcome.planning import Request, add_requested_limits, plan_scenario
from edgeproof.plans.scenario.loading import load_scenario
from edgeproof.plans.solver.search import Effort
from edgeproof.plans.solver.watch import Watch
from edgeproof.plans.verifier.stated_search import ASSERTED
from edgeproof.plans.verifier.verdict import Verdict

from .plan_names import STANDARD_INPUT, find_plan, find_scenario
from .plan_output import STANDARD, check_output, write_output
from .plan_verification import verify_document

RENDERERS: dict[str, Callable[[Json], str]] = {
    "text": render_plan_text,
    "json": lambda document: json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
    "csv": render_plan_table,
    "html": render_page,
    "pareto-csv": render_pareto_table,
}
_CERTIFYING = ("json", "html")  # these formats say why there is no plan
_CODES = {"optimal": ExitCode.GOOD, "infeasible": ExitCode.NOT_GOOD}  # everything else is not proved


def solve(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `edgeproof plans solve`: plan a scenario and print or write the plan.

    If there is no plan, say why; formats that carry the certificate are written all the same. NOT_GOOD if the scenario
    is infeasible, NOT_PROVED if the effort ended first, the best plan has a gap, or one engine alone proves it. A
    signal ends the search at once; with `--output` the best plan so far is written first.
    """
    form = options.format or ("json" if options.json else "text")
    file = options.output not in (None, STANDARD)
    if options.json and form != "json" and not file:
        raise UserError(f"--json and --format {form}: only one of them can go to the terminal; name an --output")
    check_output(options.output)
    watch = Watch(options.time_limit, _tell_progress)
    with _stopping(watch) if file else contextlib.nullcontext([]) as caught:
        document = _plan(options, find_scenario(options.scenario, root), watch)
    if caught and not document["plans"]:
        print("error: interrupted before a plan was found; nothing was written", file=sys.stderr)
        return ExitCode(exit_code_of_signal(caught[0]))
    if document["plans"] or form in _CERTIFYING:
        write_output(options.output, RENDERERS[form](document))
        if file:
            _print_outcome(options, document)
    elif options.json:
        _print_outcome(options, document)
    if not document["plans"]:
        print(escape_controls(f"error: {explain_empty_document(document)}"), file=sys.stderr)
        if form == "text":
            print(*list_relaxations(document), sep="\n", end="\n" * bool(document["infeasibility"]), file=sys.stderr)
    if caught:
        gap = document["certificate"]["gap"]
        print(f"interrupted: the best plan so far was written, at most {gap:.6g} above the optimum", file=sys.stderr)
        return ExitCode(exit_code_of_signal(caught[0]))
    return _CODES.get(document["status"], ExitCode.NOT_PROVED)


@contextlib.contextmanager
def _stopping(watch: Watch) -> Generator[list[int]]:
    """Let SIGINT and SIGTERM end a search with what it has; yield the list of the signals that came."""
    caught = []

    def stop(number: int, _: FrameType | None) -> None:
        caught.append(number)
        watch.stop()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _tell_progress(seconds: float, objective: float, bound: float) -> None:
    gap = (objective - bound) / abs(objective) if objective else 0.0
    tell(f"{seconds:.0f} s: best {objective:.6g}, bound {bound:.6g}, gap {gap:.2%}")


def verify(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `edgeproof plans verify`: recompute a plan from its scenario, and print what was found.

    That is every refutation, what was not proved, and what is merely asserted. NOT_GOOD if the plan is refuted,
    NOT_PROVED if nothing is refuted but something in it was not proved.
    """
    path = find_plan(options.plan, root)
    document = read_json(path, "plan")
    source = options.scenario or document["scenario"]["source"]
    if source is None:
        raise UserError(f"{path}: scenario.source is null; name the scenario with --scenario")
    verdict = verify_document(document, load_scenario(find_scenario(str(source), root)), options.limit)
    verdict.expect(is_sealed(document), f"{SEAL} does not match the rest of the plan, which was edited")
    report = {
        "plan": str(path),
        "outcome": verdict.outcome,
        "checks": verdict.checks,
        "refuted": verdict.failures,
        "not_proved": verdict.unproved,
        "asserted": list(ASSERTED),
        "optimality": verdict.optimality,
    }
    count = f"{verdict.checks} checks, {len(verdict.failures)} refuted; optimality {verdict.optimality}"
    told = [f"refuted: {text}" for text in verdict.failures] + [f"not proved: {text}" for text in verdict.unproved]
    told += [f"asserted, not recomputed: {', '.join(ASSERTED)}", f"{path} {verdict.outcome}: {count}"]
    show(options, report, lambda: [escape_controls(text) for text in told])
    return conclude_verify(verdict)


def conclude_verify(verdict: Verdict) -> ExitCode:
    """Return the exit code of the verb `edgeproof plans verify`."""
    if verdict.failures:
        return ExitCode.NOT_GOOD
    return ExitCode.NOT_PROVED if verdict.unproved else ExitCode.GOOD


RUN: dict[str, Callable[[Namespace, Path], ExitCode]] = {"solve": solve, "verify": verify}


def _plan(options: Namespace, path: Path, watch: Watch) -> Json:
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
        effort=Effort(options.max_labels, options.effort, options.gap, watch),
        front=options.front or options.format == "pareto-csv",
        draws=options.draws,
        seed=options.seed,
    )
    try:
        outcome = plan_scenario(scenario, request)
    except UserError as error:
        raise UserError(f"{path}: {error}" if not str(error).startswith("--") else str(error)) from error
    return build_plan_document(outcome, None if path == STANDARD_INPUT else str(path))


def _print_outcome(options: Namespace, document: Json) -> None:
    written = {"output": options.output, "status": document["status"], "plans": len(document["plans"])}
    if not document["plans"] and not Path(options.output or "").is_file():
        written["output"] = None
    show(options, written, lambda: [f"wrote {options.output}"])
