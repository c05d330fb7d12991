"""Check that everything the campaign wants is ok and today's; write gate.json, or say what is not and exit with 1."""

import argparse
import sys

from edgeproof.core.documents import read_json
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.program_start import run_program
from edgeproof.core.shares import sharing
from edgeproof.evidence.gate import check_gate
from edgeproof.evidence.stale import find_stale
from edgeproof.evidence.wanted import settings_of


def main(argv: list[str]) -> ExitCode:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wanted", required=True, help="wanted.json of the campaign")
    parser.add_argument("--output", required=True, help="gate.json to write")
    parser.add_argument("--threads", type=int, default=1, help="how many processes may share the work")
    args = parser.parse_args(argv)
    wanted = read_json(args.wanted, "wanted")
    campaign, tolerate, stale = wanted["campaign"], wanted["tolerate"], find_stale(wanted)
    with sharing(args.threads):
        passed, text = check_gate(campaign, tolerate, args.output, settings_of(wanted), stale)
    print(text, file=sys.stderr)
    return ExitCode.GOOD if passed else ExitCode.NOT_GOOD


if __name__ == "__main__":
    run_program(main)
