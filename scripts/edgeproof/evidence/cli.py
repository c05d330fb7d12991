"""`edgeproof evidence`: look at the evidence of a campaign without making it again."""

import contextlib
from pathlib import Path

from edgeproof.core.command_line import CommandParser, NameLists, add_verbs, read_options, show
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import REPOSITORY

VERBS = {
    "validate": "hash and recompute everything that a campaign's evidence consists of; exit 1 if something differs"
}


def main(argv: list[str], root: Path | str = REPOSITORY) -> ExitCode:
    """Run one verb and return its exit code; UserError for a mistake. `root`: the folder that has `results/`."""
    options = read_options(build_evidence_parser(), argv)
    from .validating import validate_evidence  # after the options: a mistake in them needs no numpy

    with contextlib.chdir(root):  # records name files relative to it
        faults = validate_evidence(options.evidence)
    told = faults or [f"{options.evidence}: everything is as it was made"]
    show(options, {"campaign": options.evidence, "faults": faults}, lambda: told)
    return ExitCode.NOT_GOOD if faults else ExitCode.GOOD


def build_evidence_parser() -> CommandParser:
    """Return the parser of all verbs of this room."""
    parser = CommandParser(prog="edgeproof evidence", description="Look at the evidence of a campaign.")
    verb = add_verbs(parser, VERBS)["validate"]
    verb.add_argument("evidence", metavar="EVIDENCE", help="name of the campaign, as below results/evidence/")
    return parser


def list_completions(root: Path) -> NameLists:
    """Return, by the metavar of an argument, the functions that list the names it takes."""
    return {"EVIDENCE": lambda: sorted(path.parent.name for path in root.glob("results/evidence/*/wanted.json"))}
