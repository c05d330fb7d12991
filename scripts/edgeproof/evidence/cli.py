"""`edgeproof evidence`: look at the evidence of a campaign without making it again, and pack it."""

import contextlib
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from edgeproof.core.command_line import CommandParser, NameLists, add_verbs, read_options, show
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.imported_bundles import find_import, say_export
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.suggestions import suggest_words

VERBS = {
    "report": "judge a campaign again and say it in 25 lines, or as Markdown, JUnit XML or annotations; exit 1 if its "
    "gate does not pass",
    "validate": "hash and recompute everything that a campaign's evidence consists of; exit 1 if something differs",
    "bundle": "pack the evidence of a campaign into one file that anybody can verify: edgeproof verify FILE",
}
FORMATS = ("text", "markdown", "junit", "annotations")
Pack = Callable[[Namespace, str], ExitCode]  # from the options and the campaign's name


def main(argv: list[str], root: Path | str = REPOSITORY, pack: Pack | None = None) -> ExitCode:
    """Run one verb of `edgeproof evidence` and return its exit code; UserError for a mistake.

    `root`: the folder that has `results/`. `pack`: makes a bundle in the current folder; this room may not import the
    one that does.
    """
    options = read_options(build_evidence_parser(), argv)
    if options.verb == "bundle":
        assert pack is not None  # the program gives it
        options.output = options.output and Path(options.output).absolute()
        options.key = options.key and Path(options.key).absolute()
        with contextlib.chdir(root):
            return pack(options, _name_campaign(options.evidence))
    if options.verb == "report":
        from .campaign_report import report_campaign  # after the options: a mistake in them needs no numpy

        with contextlib.chdir(root):
            return report_campaign(_name_campaign(options.evidence), options)
    from .validating import validate_evidence

    with contextlib.chdir(root):  # records name files relative to it
        faults = validate_evidence(_name_campaign(options.evidence))
    told = faults or [f"{options.evidence}: everything is as it was made"]
    show(options, {"campaign": options.evidence, "faults": faults}, lambda: told)
    return ExitCode.NOT_GOOD if faults else ExitCode.GOOD


def _name_campaign(text: str) -> str:
    """Return the campaign that a name, or the path of its evidence or of a file in it, stands for."""
    parts = Path(text).parts
    name = parts[parts.index("evidence") + 1] if "evidence" in parts[:-1] else text
    known = sorted(path.parent.name for path in Path("results/evidence").glob("*/wanted.json"))
    if name not in known and (imported := find_import(text, Path.cwd())) is not None:
        raise UserError(
            f"{text}: was imported; edgeproof verify results/imported/{imported} says what of it holds, and "
            f"{say_export(imported)} writes it again as it came"
        )
    if name not in known:
        raise UserError(
            f"{text}: no campaign has left evidence of this name{suggest_words(name, known)}; {_say_known(known)}"
        )
    return name


def _say_known(known: list[str]) -> str:
    return f"there is {', '.join(known)}" if known else "the workflow leaves it: snakemake --profile local"


def build_evidence_parser() -> CommandParser:
    """Return the parser of `edgeproof evidence` with all its verbs."""
    parser = CommandParser(prog="edgeproof evidence", description="Look at the evidence of a campaign.")
    verbs = add_verbs(parser, VERBS)
    for verb in verbs.values():
        verb.add_argument("evidence", metavar="EVIDENCE", help="name of the campaign, as below results/evidence/")
    bundle = verbs["bundle"]
    text = "file to write; default results/evidence/CAMPAIGN/bundle.zip"
    bundle.add_argument("--output", metavar="FILE", help=text)
    bundle.add_argument("--artifacts", action="store_true", help="pack models, samples and artifacts, too")
    bundle.add_argument("--key", metavar="FILE", help="sign it with this private key: edgeproof key new")
    verbs["report"].add_argument("--format", choices=FORMATS, default="text", help="text (default), or for a forge")
    text = "only this comparison, computed again from its pairs; exit 3 if it is not decided"
    verbs["report"].add_argument("--comparison", metavar="NAME", help=text)
    verbs["report"].add_argument("--output", metavar="FILE", help="file to write it to; else it is printed")
    return parser


def list_completions(root: Path) -> NameLists:
    """Return the completions of `edgeproof evidence`: functions that list the names its arguments take, by metavar."""
    return {"EVIDENCE": lambda: sorted(path.parent.name for path in root.glob("results/evidence/*/wanted.json"))}
