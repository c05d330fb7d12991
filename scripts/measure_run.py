"""Measure one cell on its device: fresh processes of the agent, then result.json and samples.csv."""

import argparse
import sys
from pathlib import Path

from edgeproof.artifacts.toolchains.toolchain_use import require_toolchains
from edgeproof.core.clock import require_order
from edgeproof.core.job_options import json_argument
from edgeproof.core.layout import Cell
from edgeproof.core.program_start import run_program
from edgeproof.runs.measuring import RunPaths, measure_run
from edgeproof.runs.sessions import SessionSetup

_PATHS = ("artifact", "manifest", "reference", "identity", "result", "samples")


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cell", "arm", "device", "protocol"):
        parser.add_argument(f"--{name}", required=True, type=json_argument, help="JSON")
    parser.add_argument("--task", required=True, help="the model's task; a field of comparability")
    parser.add_argument("--interpreter", default=sys.executable, help="Python that runs the agent")
    parser.add_argument("--toolchains", nargs="*", default=[], help="records of the environments that it needs")
    for name in (*_PATHS, "inputs"):
        parser.add_argument(f"--{name}", required=True, type=Path, help="file to read or write")
    args = parser.parse_args(argv)
    require_toolchains(args.toolchains)
    require_order(
        [__file__, args.artifact, args.manifest, args.reference, args.identity, args.inputs, *args.toolchains]
    )
    setup = SessionSetup(args.inputs, args.device, args.protocol, args.interpreter)
    paths = RunPaths(**{name: getattr(args, name) for name in _PATHS})
    measure_run(Cell(**args.cell), args.task, args.arm, setup, paths)


if __name__ == "__main__":
    run_program(main)
