"""Measure the interleaved pairs of a comparison up to its budget, keeping those of earlier sessions."""

import argparse
import sys

from edgeproof.artifacts.toolchains.environments import require_toolchains
from edgeproof.comparability.pairs import measure_pairs
from edgeproof.core.cli import json_argument, run_program


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparison", required=True, help="name of the comparison")
    parser.add_argument("--verdict", required=True, help="verdict.json: may the pair be compared")
    for name in ("arms", "device", "protocol"):
        parser.add_argument(f"--{name}", required=True, type=json_argument, help="JSON")
    for side in ("left", "right"):
        parser.add_argument(f"--{side}", required=True, help=f"artifact of the {side} arm")
    parser.add_argument("--inputs", required=True, help="evaluation.npz; its first sample is the input")
    parser.add_argument("--pairs", required=True, type=int, help="how many pairs in all")
    parser.add_argument("--interpreter", default=sys.executable, help="Python that runs the agent")
    parser.add_argument("--toolchains", nargs="*", default=[], help="records of the environments that must be there")
    parser.add_argument("--table", required=True, help="pairs.csv to write")
    parser.add_argument("--record", required=True, help="pairs.json to write")
    args = parser.parse_args(argv)
    require_toolchains(args.toolchains)
    artifacts = {"left": args.left, "right": args.right}
    timing = (args.device, args.protocol, args.pairs, args.interpreter)
    measure_pairs(args.comparison, args.verdict, args.arms, artifacts, args.inputs, *timing, args.table, args.record)


if __name__ == "__main__":
    run_program(main)
