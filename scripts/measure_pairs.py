"""Measure the interleaved pairs of a comparison until they decide or its budget ends."""

import argparse
import itertools
import sys
from pathlib import Path

from edgeproof.artifacts.toolchains.toolchain_use import require_toolchains
from edgeproof.calibration.noise import pool_dependence
from edgeproof.comparability.measured_pairs import PairsJob, measure_pairs
from edgeproof.core.clock import require_order
from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.runs.paired_sessions import PairPlace


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparison", required=True, help="name of the comparison")
    for name in ("arms", "device", "protocol", "budget", "design"):
        parser.add_argument(f"--{name}", required=True, type=json_argument, help="JSON")
    for name in ("verdict", "left", "right", "left-inputs", "right-inputs", "table", "record"):
        parser.add_argument(f"--{name}", required=True, type=Path, help="file to read or write")
    parser.add_argument("--agent", required=True, help="digest of the agent's code")
    parser.add_argument("--noise", nargs="*", default=[], help="noise.json of the cells calibrated on the device")
    parser.add_argument("--builds", type=json_argument, default=[], help="JSON: artifacts of each pair of builds")
    parser.add_argument("--interpreter", default=sys.executable, help="Python that runs the agent")
    parser.add_argument("--toolchains", nargs="*", default=[], help="records of the environments that it needs")
    args = parser.parse_args(argv)
    require_toolchains(args.toolchains)
    files = (args.verdict, args.left, args.right, args.left_inputs, args.right_inputs)
    require_order([__file__, *files, *args.noise, *args.toolchains, *itertools.chain(*map(dict.values, args.builds))])
    artifacts = {"left": args.left, "right": args.right}
    inputs = {"left": args.left_inputs, "right": args.right_inputs}
    place = PairPlace(args.left_inputs, args.device, args.protocol, args.interpreter)
    dependence = pool_dependence(args.noise)
    asked = (args.design, dependence, args.budget, args.agent)
    paths = (args.table, args.record, args.builds)
    measure_pairs(PairsJob(args.comparison, args.verdict, args.arms, artifacts, inputs, place, *asked, *paths))


if __name__ == "__main__":
    run_program(main)
