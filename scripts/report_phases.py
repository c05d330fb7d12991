"""Write the report of a five-phase evaluation: JSON, Markdown, HTML, CSV and a plot."""

import argparse
from pathlib import Path

from edgeproof.core.job_options import json_argument
from edgeproof.core.program_start import run_program
from edgeproof.phases.phase_decisions import read_request
from edgeproof.phases.phase_report import report_phases


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", required=True, type=json_argument, help="JSON: {device: request}")
    parser.add_argument("--preparation", required=True, help="preparation.json")
    parser.add_argument("--conversion", required=True, help="conversion.json")
    parser.add_argument("--decisions", nargs="*", default=[], help="decision.json of every device, in their order")
    parser.add_argument("--services", default={}, type=json_argument, help="JSON: {device: service.json}")
    parser.add_argument("--output", required=True, type=Path, help="report.json to write; the pages lie beside it")
    args = parser.parse_args(argv)
    requests = {device: read_request(request) for device, request in args.requests.items()}
    decisions = dict(zip(requests, args.decisions, strict=True))
    report_phases(requests, args.preparation, args.conversion, decisions, args.output.parent, args.services)


if __name__ == "__main__":
    run_program(main)
