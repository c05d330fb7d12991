"""Write the report of a campaign: one page that anyone can read offline, and the same facts as Markdown."""

import argparse

from edgeproof.core.cli import run_program
from edgeproof.core.documents import read_json
from edgeproof.evidence.rendering import write_report


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wanted", required=True, help="wanted.json of the campaign")
    parser.add_argument("--html", required=True, help="report.html to write")
    parser.add_argument("--markdown", required=True, help="report.md to write")
    args = parser.parse_args(argv)
    write_report(read_json(args.wanted, "wanted"), args.html, args.markdown)


if __name__ == "__main__":
    run_program(main)
