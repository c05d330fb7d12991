"""Phase 5: decide what to deploy on one device, and write the decision."""

import argparse

from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.phases.phase_decisions import decide_device, read_request


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--request", required=True, type=json_argument, help="JSON: candidates and the rule")
    parser.add_argument("--preparation", required=True, help="preparation.json")
    parser.add_argument("--conversion", required=True, help="conversion.json")
    parser.add_argument("--output", required=True, help="decision.json to write")
    args = parser.parse_args(argv)
    decide_device(read_request(args.request), args.preparation, args.conversion, args.output)


if __name__ == "__main__":
    run_program(main)
