"""Decide by criteria whether the right side of a comparison may be deployed, and write the decision."""

import argparse

from edgeproof.comparability.deciding import decide_deployment, read_decision
from edgeproof.core.program_start import run_program
from edgeproof.core.reader import reading_once


@reading_once()
def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", required=True, help="report.json; verdict and pairs lie beside it")
    parser.add_argument("--regression", required=True, help="regression.json of the comparison")
    parser.add_argument("--result", required=True, help="result.json of the right side")
    parser.add_argument("--parity", required=True, help="parity.json of the right side")
    parser.add_argument("--criteria", required=True, help="config/criteria/NAME.yaml")
    parser.add_argument("--output", required=True, help="decision.json to write")
    args = parser.parse_args(argv)
    decide_deployment(args.report, args.regression, args.result, args.parity, args.criteria, args.output)
    read_decision(args.output)  # as `report_comparison` does


if __name__ == "__main__":
    run_program(main)
