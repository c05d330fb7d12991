"""Write the report of a comparison: verdict, reasons and, where one may be given, the difference."""

import argparse

from edgeproof.comparability.reading import read_comparison
from edgeproof.comparability.reporting import report_comparison
from edgeproof.core.program_start import run_program
from edgeproof.core.reader import reading_once


@reading_once()
def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--verdict", required=True, help="verdict.json")
    parser.add_argument("--table", required=True, help="pairs.csv")
    parser.add_argument("--record", required=True, help="pairs.json")
    parser.add_argument("--noise", nargs="*", default=[], help="noise.json of the calibrated cells")
    parser.add_argument("--json", required=True, help="report.json to write")
    parser.add_argument("--markdown", required=True, help="report.md to write")
    args = parser.parse_args(argv)
    report_comparison(args.verdict, args.table, args.record, args.noise, args.json, args.markdown)
    read_comparison(args.json)  # what cannot be recomputed is not left behind; who reads it next need not do it again


if __name__ == "__main__":
    run_program(main)
