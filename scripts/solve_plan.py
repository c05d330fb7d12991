"""Plan one scenario for one goal: plan.json with its certificate, plan.csv, pareto.csv, plan.txt, plan.html."""

import argparse

from edgeproof.core.documents import write_json
from edgeproof.core.files import atomic_write
from edgeproof.core.program_start import run_program
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.plan_page import render_page
from edgeproof.plans.outcome.plan_tables import render_pareto_table, render_plan_table, render_plan_text
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.loading import load_scenario


def main(argv: list[str] | None = None) -> None:
    """Write every form of the plan. An infeasible scenario is a verdict, not an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--goal", required=True)
    parser.add_argument("--top-k", type=int, default=Request.top_k)
    parser.add_argument("--draws", type=int, default=Request.draws)
    parser.add_argument("--seed", type=int, default=Request.seed)
    for name in ("plan", "csv", "pareto", "text"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--html", help="page to write; the workflow writes one that also shows the check")
    options = parser.parse_args(argv)
    request = Request(goal=options.goal, top_k=options.top_k, draws=options.draws, seed=options.seed)
    document = build_plan_document(plan_scenario(load_scenario(options.scenario), request), options.scenario)
    atomic_write(options.csv, render_plan_table(document))
    atomic_write(options.pareto, render_pareto_table(document))
    if options.html:
        atomic_write(options.html, render_page(document))
    atomic_write(options.text, render_plan_text(document))
    write_json(options.plan, document, "plan")


if __name__ == "__main__":
    run_program(main)
