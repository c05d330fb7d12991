"""Phase 1: say what is installed, and whether there are enough representative samples."""

import argparse
from pathlib import Path

from edgeproof.core.program_start import run_program
from edgeproof.phases.preparation import prepare_phases


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--more-than", required=True, type=int, help="samples that are not enough yet")
    parser.add_argument("--samples", required=True, help="samples.json of the model")
    parser.add_argument("--toolchains", nargs="*", default=[], help="records of the toolchains of the candidates")
    parser.add_argument("--output", required=True, help="preparation.json to write")
    args = parser.parse_args(argv)
    toolchains = {Path(path).stem: path for path in args.toolchains}
    prepare_phases(args.campaign, args.model, args.more_than, args.samples, toolchains, args.output)


if __name__ == "__main__":
    run_program(main)
