"""Pack the agent and the runtime package as a wheel for boards."""

import argparse
from pathlib import Path

from edgeproof.core.program_start import run_program
from edgeproof.workflow.runtime_wheel import pack_runtime


def main(argv: list[str] | None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", default="dist", help="folder for the wheel (default: %(default)s)")
    args = parser.parse_args(argv)
    print(pack_runtime(Path(args.output)))


if __name__ == "__main__":
    run_program(main)
