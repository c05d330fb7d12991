"""Check that every wanted cell is ok; write gate.json, or list the cells that are not and exit with 1."""

import argparse
import sys

from edgeproof.core.cli import json_argument, run_program
from edgeproof.evidence.gate import check_gate


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", required=True, type=json_argument, help="JSON: campaign, cells, comparisons")
    parser.add_argument("--tolerate", required=True, type=json_argument, help="JSON: statuses that pass besides ok")
    parser.add_argument("--output", required=True, help="gate.json to write")
    parser.add_argument("--regressions", type=json_argument, help="JSON: policy, fail_at, tolerate, gated comparisons")
    args = parser.parse_args(argv)
    passed, text = check_gate(args.campaign, args.tolerate, args.output, args.regressions)
    print(text, file=sys.stderr)
    return 0 if passed else 1


if __name__ == "__main__":
    run_program(main)
