"""`edgeproof compare LEFT RIGHT`: two cells or two model files, from the shell to a verdict."""

import argparse
import re
from pathlib import Path

from edgeproof.core.command_line import CommandParser, NameLists, add_json, read_options
from edgeproof.core.exit_codes import ExitCode

from .varied_fields import OPTIONAL_VARIES

_DESCRIPTION = (
    "Compare two cells (MODEL/PRESET/DEVICE/PRECISION; RIGHT takes from LEFT what it leaves out) or two ONNX files. "
    "What is missing is built, and pairs are measured until they decide. A side may also be baseline:NAME or "
    "sha256:DIGEST of an artifact that was built before. Exit 0 for a verdict, 3 if it is undecided or waived, "
    "1 if the two may not be compared, one failed, or the outputs of one are wrong (parity)."
)
_REPLICATING = (
    "Answer a claim: measure the same latency or ratio here, or take what was measured, and say `replicated`, `not "
    "replicated`, or `cannot say` and because of what. Exit 0, 1 and 3."
)
_UNITS = {"s": 1, "m": 60}


def main(argv: list[str], root: Path) -> ExitCode:
    """Run `edgeproof compare`, print what was found. `root`: has `config/`, the Snakefile and `results/`."""
    options = read_options(build_compare_parser(), argv)
    from .comparing import compare  # after the options: a mistake in them needs no configuration

    return compare(options, root)


def build_compare_parser() -> CommandParser:
    """Return the parser of `edgeproof compare`."""
    parser = add_json(CommandParser(prog="edgeproof compare", description=_DESCRIPTION))
    parser.add_argument("left", metavar="SIDE", help="the baseline: a cell, an ONNX file, or a stored artifact")
    parser.add_argument("right", metavar="SIDE", help="the candidate; `int8` alone is the same cell in int8")
    _add_measuring(parser, margin=0.02)
    parser.add_argument("--preset", metavar="PRESET", help="preset of a side that names none (default ort-cpu)")
    parser.add_argument("--precision", metavar="WORD", help="precision of a side that names none (default fp32)")
    parser.add_argument("--device", metavar="WORD", help="device of both sides (default: the profile's)")
    parser.add_argument("--protocol", metavar="WORD", help="a file in config/protocols/ (default quick)")
    parser.add_argument(
        "--like",
        metavar="MODEL",
        help="task and samples of model files (default: a known model's, else random)",
    )
    parser.add_argument(
        "--varies", metavar="WORD", nargs="+", default=[], choices=OPTIONAL_VARIES,
        help="what else may differ: input_shape, batch_size, inputs",
    )  # fmt: skip
    parser.add_argument(
        "--waive", metavar="FIELD:REASON", action="append", default=[], type=_waiver,
        help="measure although this field refuses it; the verdict is `waived`, and no gate takes it",
    )  # fmt: skip
    return parser


def replicate(argv: list[str], root: Path) -> ExitCode:
    """Run `edgeproof replicate`; `root` as for `main`."""
    options = read_options(build_replicate_parser(), argv)
    from .replicating import replicate_claim

    return replicate_claim(options, root)


def build_replicate_parser() -> CommandParser:
    """Return the parser of `edgeproof replicate`."""
    parser = add_json(CommandParser(prog="edgeproof replicate", description=_REPLICATING))
    parser.add_argument("claim", metavar="CLAIM", help="what `edgeproof claim` printed, a file with it, or -")
    _add_measuring(parser, margin=0.05)
    parser.add_argument("--device", metavar="WORD", help="device to measure on (default: the profile's)")
    parser.add_argument("--protocol", metavar="WORD", help="of a latency (default: the claim's, else quick)")
    parser.add_argument("--keys", metavar="FILE", help="public keys that you trust; refuse any other claim")
    return parser


def _add_measuring(parser: CommandParser, margin: float) -> None:
    """Add how long to measure and how: what every verb here takes that measures pairs. `margin`: the default."""
    parser.add_argument(
        "--within",
        metavar="TIME",
        type=_seconds,
        default=60.0,
        help="measure pairs for so long, with the unit: 60s, 5m (default 60s)",
    )
    parser.add_argument(
        "--margin",
        metavar="SHARE",
        type=_share,
        default=margin,
        help=f"the difference that matters, with the unit: 2%% (default {100 * margin:g}%%)",
    )
    parser.add_argument("--profile", metavar="WORD", default="local", help="Snakemake's profile (default: local)")
    parser.add_argument("--verbose", action="store_true", help="show all that Snakemake says")


def list_completions(root: Path) -> NameLists:
    """Return the completions of `edgeproof compare`: functions that list the names for LEFT and RIGHT, by metavar."""
    from .sides import list_sides

    return {"SIDE": lambda: list_sides(root)}


def _waiver(text: str) -> tuple[str, str]:
    """Return (field, reason) of an option that waives a field (argparse `type`)."""
    field, _, reason = (part.strip() for part in text.partition(":"))
    if not field or not reason:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no FIELD:REASON; write runtime_version:'the newer one has a fix'"
        )
    return field, reason


def _seconds(text: str) -> float:
    """Return the value of an option that is a time: `60s`, `5m` (argparse `type`)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([sm])", text)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time with its unit; write 60s or 5m")
    return float(match[1]) * _UNITS[match[2]]


def _share(text: str) -> float:
    """Return the value of an option that is a share: `2%` (argparse `type`)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%", text)
    value = float(match[1]) / 100 if match else 0.0
    if not 0 < value <= 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 50 % with its unit; write 2%")
    return value
