"""Write the report of a campaign: one page that anyone can read offline, and the same facts as Markdown."""

import argparse

from edgeproof.core.documents import read_json
from edgeproof.core.program_start import run_program
from edgeproof.core.shares import sharing
from edgeproof.evidence.rendering import write_report
from edgeproof.evidence.stale import find_stale
from edgeproof.evidence.wanted import settings_of


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wanted", required=True, help="wanted.json of the campaign")
    parser.add_argument("--html", required=True, help="report.html to write")
    parser.add_argument("--markdown", required=True, help="report.md to write")
    parser.add_argument("--threads", type=int, default=1, help="how many processes may share the work")
    args = parser.parse_args(argv)
    wanted = read_json(args.wanted, "wanted")
    campaign, tolerate, stale = wanted["campaign"], wanted["tolerate"], find_stale(wanted)
    with sharing(args.threads):
        write_report(campaign, tolerate, args.html, args.markdown, wanted["noise"], settings_of(wanted), stale)


if __name__ == "__main__":
    run_program(main)
