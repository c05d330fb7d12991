"""Write the report of a campaign: one page that anyone can read offline, and the same facts as Markdown."""

import argparse

from edgeproof.core.cli import json_argument, run_program
from edgeproof.evidence.rendering import write_report


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", required=True, type=json_argument, help="JSON: campaign, cells, comparisons")
    parser.add_argument("--tolerate", required=True, type=json_argument, help="JSON: statuses that pass the gate")
    parser.add_argument("--regressions", type=json_argument, help="JSON: policy, fail_at, tolerate, gated comparisons")
    parser.add_argument("--noise", nargs="*", default=[], help="noise.json of the cells that are calibrated")
    parser.add_argument("--html", required=True, help="report.html to write")
    parser.add_argument("--markdown", required=True, help="report.md to write")
    args = parser.parse_args(argv)
    write_report(args.campaign, args.tolerate, args.html, args.markdown, args.noise, args.regressions)


if __name__ == "__main__":
    run_program(main)
