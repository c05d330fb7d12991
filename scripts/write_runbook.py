"""Phase 4: write what a person does on one device, step by step."""

import argparse

from edgeproof.core.job_options import json_argument
from edgeproof.core.layout import Cell
from edgeproof.core.program_start import run_program
from edgeproof.phases.runbooks import write_runbook


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", required=True)
    for name in ("description", "cells", "protocol", "files"):
        parser.add_argument(f"--{name}", required=True, type=json_argument, help="JSON")
    parser.add_argument("--output", required=True, help="runbook.md to write")
    args = parser.parse_args(argv)
    cells = {name: Cell(*parts) for name, parts in args.cells.items()}
    write_runbook(args.device, args.description, cells, args.protocol, args.files, args.output)


if __name__ == "__main__":
    run_program(main)
