"""Phase 3: collect what became of every candidate when it was converted."""

import argparse

from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.phases.conversion import collect_conversions


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--more-than", required=True, type=int, help="samples that are not enough yet")
    parser.add_argument("--folders", required=True, type=json_argument, help="JSON: {candidate: artifact folder}")
    parser.add_argument("--output", required=True, help="conversion.json to write")
    args = parser.parse_args(argv)
    collect_conversions(args.campaign, args.model, args.folders, args.more_than, args.output)


if __name__ == "__main__":
    run_program(main)
