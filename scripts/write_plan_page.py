"""Render plan.html from a plan and from its check against the pipeline run as placed."""

import argparse

from edgeproof.core.documents import read_sealed
from edgeproof.core.files import atomic_write
from edgeproof.core.program_start import run_program
from edgeproof.core.seals import REMEDY
from edgeproof.plans.outcome.plan_page import render_page
from edgeproof.plans.plan_check import read_check


def main(argv: list[str] | None) -> None:
    """Render the page of one plan."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", required=True, help="plan.json")
    parser.add_argument("--check", required=True, help="check.json")
    parser.add_argument("--output", required=True, help="plan.html to write")
    args = parser.parse_args(argv)
    atomic_write(args.output, render_page(read_sealed(args.plan, "plan", REMEDY), read_check(args.check)))


if __name__ == "__main__":
    run_program(main)
