"""Write the history of a campaign's cells: history.json and its page."""

import argparse

from edgeproof.core.job_options import json_argument
from edgeproof.core.layout import Cell
from edgeproof.core.program_start import run_program
from edgeproof.evidence.history_page import write_history


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaign", required=True)
    parser.add_argument("--cells", required=True, type=json_argument, help="JSON: the cells, as lists of four names")
    parser.add_argument("--page", required=True, help="history.html to write")
    parser.add_argument("--output", required=True, help="history.json to write")
    args = parser.parse_args(argv)
    write_history(args.campaign, [Cell(*names) for names in args.cells], args.page, args.output)


if __name__ == "__main__":
    run_program(main)
