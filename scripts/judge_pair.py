"""Judge whether two results may be compared, and write the verdict with its reasons."""

import argparse
from pathlib import Path

from edgeproof.comparability.judging import Latitude, judge_pair
from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.core.yaml_files import read_yaml


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparison", required=True, help="name of the comparison")
    parser.add_argument("--policy", required=True, help="policy file, config/policies/NAME.yaml")
    parser.add_argument("--varies", type=json_argument, default=[], help="JSON: fields under study, which may differ")
    parser.add_argument("--waive", type=json_argument, default={}, help="JSON: {field: why its difference is let pass}")
    parser.add_argument("--left", required=True, help="result.json")
    parser.add_argument("--right", required=True, help="result.json")
    parser.add_argument("--verdict", required=True, help="verdict.json to write")
    args = parser.parse_args(argv)
    policy = read_yaml(args.policy, "policy")
    paths, latitude = {"left": args.left, "right": args.right}, Latitude(args.varies, args.waive)
    judge_pair(args.comparison, paths, Path(args.policy).stem, policy, latitude, args.verdict)


if __name__ == "__main__":
    run_program(main)
