"""`edgeproof baseline`: keep an artifact that later ones are compared with, and list those that are kept."""

from pathlib import Path

from edgeproof.core.command_line import CommandParser, add_verbs, read_options, show
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.stored_artifacts import BASELINES, name_artifact

BASELINE_VERBS = {
    "set": "keep an artifact as a baseline: a comparison names it as `left: {baseline: NAME}`",
    "promote": "keep the right side of a comparison as the next baseline, if its deployment decision allows that",
    "list": "list the baselines that are kept",
}


def main(argv: list[str], root: Path) -> ExitCode:
    """Run a verb of `edgeproof baseline`. `root`: the folder that has `config/` and `results/`."""
    options = read_options(build_baseline_parser(), argv)
    from edgeproof.artifacts.baselines import describe_baselines, set_baseline  # after the options

    if options.verb == "list":
        documents = describe_baselines(root)
        return show(
            options, {"baselines": documents}, lambda: [_describe(item) for item in documents] or ["no baseline is set"]
        )
    if options.verb == "promote":
        from .promotions import promote

        document = promote(options.target, options.name, options.reviewed_by, root)
    else:
        document = set_baseline(options.target, options.name, options.replace, root)
    return show(
        options,
        document,
        lambda: [
            _describe(document),
            f"It is kept in {BASELINES}/{document['name']}/. Compare with it in a campaign:",
            f"  left: {{baseline: {document['name']}}}",
        ],
    )


def build_baseline_parser() -> CommandParser:
    """Return the parser of `edgeproof baseline`."""
    parser = CommandParser(prog="edgeproof baseline", description="Keep artifacts that later ones are compared with.")
    verbs = add_verbs(parser, BASELINE_VERBS)
    verb, promotion = verbs["set"], verbs["promote"]
    promotion.add_argument("target", metavar="COMPARISON", help="a comparison, as CAMPAIGN/COMPARISON")
    promotion.add_argument("--name", metavar="NAME", type=_name, help="of the baseline (default: name of the model)")
    promotion.add_argument(
        "--reviewed-by", metavar="NAME", help="who has reviewed it, where the decision asks for that"
    )
    verb.add_argument("target", metavar="ARTIFACT", help="name or path of an artifact, or the cell that measures it")
    verb.add_argument("--name", metavar="NAME", type=_name, help="what to call it (default: the name of the model)")
    verb.add_argument("--replace", action="store_true", help="give up the baseline that has this name")
    return parser


def _describe(document: dict) -> str:
    cell = name_artifact(document["cell"])
    digest = document["artifact"]["sha256"][:12]
    return f"{document['name']}  {cell}  sha256:{digest}  set {document['set_at']}{_say_promotion(document)}"


def _say_promotion(document: dict) -> str:
    promotion = document["promotion"]
    return f"  promoted by {promotion['campaign']}/{promotion['comparison']}" if promotion else ""


def _name(text: str) -> str:
    import argparse
    import re

    from edgeproof.core.catalogues import NAME

    if not re.fullmatch(NAME, text):
        raise argparse.ArgumentTypeError(f"{text!r} must match {NAME}")
    return text
