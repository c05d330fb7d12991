"""`edgeproof verify`, `edgeproof key` and `edgeproof evidence bundle`: evidence that leaves this machine.

Here are the verbs and their options; what they do is in `bundle_verbs`, which is imported when a verb runs.
"""

from argparse import Namespace
from pathlib import Path

from edgeproof.core.command_line import CommandParser, add_json, add_verbs, read_options
from edgeproof.core.exit_codes import ExitCode

KEY_VERBS = {"new": "make a key: NAME.key is secret, NAME.pub is for those who verify"}


def verify(argv: list[str], root: Path) -> ExitCode:
    """Run `edgeproof verify`: NOT_GOOD if a claim is refuted. `root` is not looked at: a bundle stands for itself."""
    options = read_options(build_verify_parser(), argv)
    from .bundle_verbs import verify_file  # after the options: a mistake in them needs no numpy

    return verify_file(options)


def key(argv: list[str], root: Path) -> ExitCode:
    """Run a verb of `edgeproof key`; paths are relative to the current folder."""
    options = read_options(build_key_parser(), argv)
    from .bundle_verbs import make_key

    return make_key(options)


def pack_campaign(options: Namespace, campaign: str) -> ExitCode:
    """Run `edgeproof evidence bundle`, the command line of bundles for a campaign, with options that were read.

    It works in the current folder, which has `results/`.
    """
    from .bundle_verbs import pack

    return pack(options, "campaign", campaign, options.output or f"results/evidence/{campaign}/bundle.zip")


def build_verify_parser() -> CommandParser:
    """Return the parser of `edgeproof verify`."""
    text = (
        "Say what of a bundle of evidence holds, offline: structure, sizes, digests, signature, schemas, and every "
        "figure computed again from raw samples. Nothing of the bundle is run, but for models with --deep."
    )
    parser = add_json(CommandParser(prog="edgeproof verify", description=text))
    parser.add_argument("bundle", metavar="BUNDLE", help="bundle.zip, or the folder of an imported bundle")
    deep = (
        "also build artifacts again and run them beside their models; of the bundle, this runs models and nothing else"
    )
    parser.add_argument("--all", action="store_true", help="print every claim; without it, recomputed ones are counted")
    parser.add_argument("--deep", action="store_true", help=deep)
    _declare_keys(parser)
    return parser


def build_key_parser() -> CommandParser:
    """Return the parser of `edgeproof key`."""
    parser = CommandParser(prog="edgeproof key", description="Keys to sign bundles with.")
    verb = add_verbs(parser, KEY_VERBS)["new"]
    verb.add_argument("name", metavar="NAME", help="what the two files are called, as a path without an end")
    return parser


def declare_export(verb: CommandParser, what: str) -> None:
    """Declare the options of a verb such as `edgeproof runs export`, which writes a bundle.

    `what`: the metavar of the one thing that is in it.
    """
    text = "what to pack, as the list names it; or, to write it again as it came,"
    verb.add_argument("name", metavar=what, help=f"{text} a bundle below results/imported/, by name or folder")
    verb.add_argument("--output", metavar="FILE", required=True, help="file to write")
    if what == "RUN":
        verb.add_argument("--artifacts", action="store_true", help="pack model, samples and artifact, too")
    verb.add_argument("--key", metavar="FILE", help="sign it with this private key: edgeproof key new")


def declare_import(verb: CommandParser) -> None:
    """Declare the options of a verb such as `edgeproof runs import`, which takes a bundle in."""
    verb.add_argument("bundle", metavar="BUNDLE", help="a bundle that edgeproof has made")
    verb.add_argument("--unverified", action="store_true", help="take it although a claim in it is refuted")
    _declare_keys(verb)


def _declare_keys(verb: CommandParser) -> None:
    text = (
        "public keys that you trust, one file with one or more; a bundle without a signature by one of them is refuted"
    )
    verb.add_argument("--keys", metavar="FILE", help=text)
