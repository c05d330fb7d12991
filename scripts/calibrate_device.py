"""Calibrate a device: measure the same artifact against itself, and write how small a difference the device shows."""

import argparse
import sys
from pathlib import Path

from edgeproof.artifacts.toolchains.environments import require_toolchains
from edgeproof.calibration.noise import CalibrationPaths, CalibrationPlan, calibrate_device
from edgeproof.core.cli import json_argument, run_program
from edgeproof.core.clock import require_order
from edgeproof.core.layout import Cell
from edgeproof.runs.sessions import SessionSetup

_PATHS = ("artifact", "manifest", "noise", "table")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cell", "arm", "device", "protocol", "plan"):
        parser.add_argument(f"--{name}", required=True, type=json_argument, help="JSON")
    parser.add_argument("--interpreter", default=sys.executable, help="Python that runs the agent")
    for name in (*_PATHS, "inputs"):
        parser.add_argument(f"--{name}", required=True, type=Path, help="file to read or write")
    parser.add_argument("--toolchains", nargs="*", default=[], help="records of the environments that it needs")
    args = parser.parse_args(argv)
    require_toolchains(args.toolchains)
    require_order([__file__, args.artifact, args.manifest, args.inputs, *args.toolchains])
    setup = SessionSetup(args.inputs, args.device, args.protocol, args.interpreter)
    paths = CalibrationPaths(**{name: getattr(args, name) for name in _PATHS})
    calibrate_device(Cell(**args.cell), args.arm, setup, CalibrationPlan(**args.plan), paths)


if __name__ == "__main__":
    run_program(main)
