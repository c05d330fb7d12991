"""`edgeproof claim`: a number with its interval and its conditions, as one line that others can answer.

Here are the options; what the verb does is in `claim_verbs`, which is imported when it runs.
"""

from pathlib import Path

from edgeproof.core.command_line import CommandParser, add_json, read_options
from edgeproof.core.exit_codes import ExitCode

_DESCRIPTION = (
    "Print a latency or a ratio as one line: number, interval, conditions by digest, and if you want bundle and "
    "signature. `edgeproof replicate` answers it on another machine. With --declare, state a number that was published "
    "elsewhere."
)


def main(argv: list[str], root: Path) -> ExitCode:
    """Run `edgeproof claim`. `root`: the folder that has `results/`."""
    options = read_options(build_claim_parser(), argv)
    from .claim_verbs import print_claim  # after the options: a mistake in them needs no numpy

    return print_claim(options, root)


def build_claim_parser() -> CommandParser:
    """Return the parser of `edgeproof claim`."""
    parser = add_json(CommandParser(prog="edgeproof claim", description=_DESCRIPTION))
    parser.add_argument(
        "target",
        metavar="CLAIMED",
        help="a cell, a comparison as CAMPAIGN/COMPARISON, or the document of either",
    )
    parser.add_argument("--key", metavar="FILE", help="sign the claim with this private key: edgeproof key new")
    parser.add_argument("--bundle", metavar="FILE", help="a bundle that holds the evidence; the claim names its digest")
    parser.add_argument("--declare", metavar="NUMBER", help="a published number: ms, or with --against the ratio")
    parser.add_argument("--against", metavar="CELL", help="of a declared ratio: the cell whose time is 1")
    parser.add_argument("--source", metavar="TEXT", help="where a declared number was published")
    parser.add_argument(
        "--told",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="a condition that the source tells; repeatable",
    )
    return parser
