"""Render page.html of a replay from its summary and its decisions."""

import argparse

from edgeproof.adaptation.replay_page import render_page
from edgeproof.core.documents import read_sealed
from edgeproof.core.files import atomic_write
from edgeproof.core.program_start import run_program
from edgeproof.core.seals import REMEDY


def main(argv: list[str] | None) -> None:
    """Render the page of one replay."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--summary", required=True, help="summary.json")
    parser.add_argument("--decisions", required=True, help="decisions.jsonl")
    parser.add_argument("--output", required=True, help="page.html to write")
    args = parser.parse_args(argv)
    atomic_write(args.output, render_page(read_sealed(args.summary, "adaptation", REMEDY), args.decisions))


if __name__ == "__main__":
    run_program(main)
