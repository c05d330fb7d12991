"""Write the report of a comparison: verdict, reasons, and the difference if it may be given."""

import argparse

from edgeproof.comparability.reporting import report_comparison
from edgeproof.core.cli import run_program


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verdict", required=True, help="verdict.json")
    parser.add_argument("--table", required=True, help="pairs.csv")
    parser.add_argument("--record", required=True, help="pairs.json")
    parser.add_argument("--margin", required=True, type=float, help="equivalence margin, as a fraction")
    parser.add_argument("--noise", nargs="*", default=[], help="noise.json of each calibrated device")
    parser.add_argument("--json", required=True, help="report.json to write")
    parser.add_argument("--markdown", required=True, help="report.md to write")
    args = parser.parse_args(argv)
    report_comparison(args.verdict, args.table, args.record, args.margin, args.json, args.markdown, args.noise)


if __name__ == "__main__":
    run_program(main)
