"""Check that everything the campaign wants is ok and today's; write gate.json, or say what is not and exit with 1."""

import argparse
import sys

from edgeproof.core.cli import run_program
from edgeproof.core.documents import read_json
from edgeproof.core.exit_codes import ExitCode
from edgeproof.evidence.gate import check_gate


def main(argv: list[str]) -> ExitCode:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wanted", required=True, help="wanted.json of the campaign")
    parser.add_argument("--output", required=True, help="gate.json to write")
    args = parser.parse_args(argv)
    passed, text = check_gate(read_json(args.wanted, "wanted"), args.output)
    print(text, file=sys.stderr)
    return ExitCode.GOOD if passed else ExitCode.NOT_GOOD


if __name__ == "__main__":
    run_program(main)
