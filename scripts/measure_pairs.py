"""Measure the interleaved pairs of a comparison up to its budget; pairs of earlier sessions are kept."""

import argparse
import sys

from edgeproof.artifacts.toolchains.environments import require_toolchains
from edgeproof.comparability.pairs import PairsPaths, measure_pairs
from edgeproof.core.cli import json_argument, run_program
from edgeproof.core.clock import require_order
from edgeproof.runs.sessions import SessionSetup


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparison", required=True, help="name of the comparison")
    parser.add_argument("--verdict", required=True, help="verdict.json: whether the two may be compared")
    for name in ("arms", "device", "protocol"):
        parser.add_argument(f"--{name}", required=True, type=json_argument, help="JSON")
    for side in ("left", "right"):
        parser.add_argument(f"--{side}", required=True, help=f"artifact of the {side} arm")
    parser.add_argument("--inputs", required=True, help="evaluation.npz; its first sample is the input")
    parser.add_argument("--pairs", required=True, type=int, help="number of pairs in all")
    parser.add_argument("--interpreter", default=sys.executable, help="Python that runs the agent")
    parser.add_argument("--toolchains", nargs="*", default=[], help="records of the environments that it needs")
    parser.add_argument("--table", required=True, help="pairs.csv to write")
    parser.add_argument("--record", required=True, help="pairs.json to write")
    args = parser.parse_args(argv)
    require_toolchains(args.toolchains)
    require_order([__file__, args.verdict, args.left, args.right, args.inputs, *args.toolchains])
    setup = SessionSetup(args.inputs, args.device, args.protocol, args.interpreter)
    paths = PairsPaths(args.verdict, args.left, args.right, args.table, args.record)
    measure_pairs(args.comparison, args.arms, setup, args.pairs, paths)


if __name__ == "__main__":
    run_program(main)
