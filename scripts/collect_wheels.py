"""Resolve the pins of boards (`make lock`), or collect the wheels for a board without network (`make wheelhouse`)."""

import argparse
from pathlib import Path

from edgeproof.core.program_start import run_program
from edgeproof.workflow.board_wheels import SYSTEMS, collect_wheels, lock_system


def main(argv: list[str] | None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", action="store_true", help="resolve envs/boards/*.in into envs/boards/*.lock, no more")
    parser.add_argument("--board", choices=SYSTEMS, nargs="+", default=list(SYSTEMS), help="operating systems")
    parser.add_argument("--output", type=Path, default=Path("dist/wheelhouse"), help="folder (default: %(default)s)")
    args = parser.parse_args(argv)
    for name in args.board:
        if args.lock:
            lock_system(SYSTEMS[name], SYSTEMS[name].lock)
            continue
        folder = args.output / name
        command = collect_wheels(SYSTEMS[name], folder)
        print(f"{folder}: copy it to the board, and run there, in a venv or with --user:\n  {command}")


if __name__ == "__main__":
    run_program(main)
