"""Run a planned pipeline end to end as placed, and compare it with the prediction: check.json and samples.csv."""

import argparse
import sys
from pathlib import Path
from typing import Any

from edgeproof.artifacts.toolchains.toolchain_use import require_toolchains
from edgeproof.core.clock import require_order
from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.plans.plan_check import PlanRun, check_plan


def main(argv: list[str] | None) -> None:
    """Run the plan and write the check; a stage that fails is a verdict, not an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", required=True, help="plan.json")
    parser.add_argument("--identities", required=True, nargs="+", help="identity.json of every stage")
    for name in ("cells", "reads", "device", "protocol"):
        parser.add_argument(f"--{name}", required=True, type=json_argument, help="JSON")
    parser.add_argument("--artifacts", required=True, nargs="+", help="artifact of every cell")
    parser.add_argument("--references", nargs="*", default=[], help="reference.npz of every cell, or none")
    parser.add_argument("--inputs", required=True, help="evaluation.npz of the first stage")
    parser.add_argument("--interpreter", default=sys.executable, help="Python that runs the agent")
    parser.add_argument("--toolchains", nargs="*", default=[], help="records of the environments that must be there")
    parser.add_argument("--check", required=True, type=Path, help="check.json to write")
    parser.add_argument("--samples", required=True, type=Path, help="samples.csv to write beside it")
    args = parser.parse_args(argv)
    require_toolchains(args.toolchains)
    require_order(
        [__file__, args.plan, args.inputs, *args.identities, *args.artifacts, *args.references, *args.toolchains]
    )
    references = args.references or [None] * len(args.cells)
    cells: list[Any] = [
        {**cell, "artifact": artifact, "reference": reference}
        for cell, artifact, reference in zip(args.cells, args.artifacts, references, strict=True)
    ]
    place = (args.device, args.protocol, args.interpreter)
    run = PlanRun(args.plan, args.identities, cells, args.reads, args.inputs, *place)
    check_plan(run, args.check, args.samples)


if __name__ == "__main__":
    run_program(main)
