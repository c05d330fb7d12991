"""Judge by a regression policy whether the right side of a comparison is worse than the left; write the judgement."""

import argparse
from pathlib import Path

from edgeproof.comparability.regression import judge_regression, read_regression
from edgeproof.core.program_start import run_program
from edgeproof.core.reader import reading_once
from edgeproof.core.yaml_files import read_yaml


@reading_once()
def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", required=True, help="report.json; verdict and pairs lie beside it")
    for side in ("left", "right"):
        parser.add_argument(f"--{side}", required=True, help="result.json")
        parser.add_argument(f"--{side}-parity", required=True, help="parity.json")
    parser.add_argument("--policy", required=True, help="regression policy, config/regressions/NAME.yaml")
    parser.add_argument("--comparability", help="config/policies/NAME.yaml, if the regression policy names one")
    parser.add_argument("--output", required=True, help="regression.json to write")
    args = parser.parse_args(argv)
    policy = read_yaml(args.policy, "regression-policy")
    comparability = read_yaml(args.comparability, "policy") if args.comparability else None
    results = {"left": args.left, "right": args.right}
    parities = {"left": args.left_parity, "right": args.right_parity}
    judge_regression(args.report, results, parities, Path(args.policy).stem, policy, comparability, args.output)
    read_regression(args.output)  # as `report_comparison` does


if __name__ == "__main__":
    run_program(main)
