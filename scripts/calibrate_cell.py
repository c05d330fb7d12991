"""Calibrate a cell: measure the same artifact against itself, and write what its pairs show."""

import argparse
import sys
from pathlib import Path

from edgeproof.artifacts.toolchains.toolchain_use import require_toolchains
from edgeproof.calibration.noise import CalibrationJob, calibrate_cell
from edgeproof.core.clock import require_order
from edgeproof.core.job_options import json_argument
from edgeproof.core.layout import Cell
from edgeproof.core.program_start import run_program
from edgeproof.runs.paired_sessions import PairPlace


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cell", "arm", "device", "protocol", "plan"):
        parser.add_argument(f"--{name}", required=True, type=json_argument, help="JSON")
    parser.add_argument("--agent", required=True, help="digest of the agent's code")
    parser.add_argument("--interpreter", default=sys.executable, help="Python that runs the agent")
    for name in ("artifact", "manifest", "inputs", "noise", "table"):
        parser.add_argument(f"--{name}", required=True, type=Path, help="file to read or write")
    parser.add_argument("--toolchains", nargs="*", default=[], help="records of the environments that it needs")
    args = parser.parse_args(argv)
    require_toolchains(args.toolchains)
    require_order([__file__, args.artifact, args.manifest, args.inputs, *args.toolchains])
    place = PairPlace(args.inputs, args.device, args.protocol, args.interpreter)
    files = (args.artifact, args.manifest, place, args.plan, args.agent, args.noise, args.table)
    calibrate_cell(CalibrationJob(Cell(*args.cell), args.arm, *files))


if __name__ == "__main__":
    run_program(main)
