"""`edgeproof adaptation`: families of variants, what would be chosen now, and traces replayed; `edgeproof state`.

Here are the verbs and their options. What they do is in `adaptation_verbs`, which is imported when a verb runs.
"""

from pathlib import Path

from edgeproof.core.catalogues import list_catalogue
from edgeproof.core.command_line import (
    CommandParser,
    NameLists,
    add_json,
    add_verbs,
    amount,
    count,
    positive,
    read_options,
)
from edgeproof.core.exit_codes import ExitCode

VERBS = {
    "validate": "check a family file: numbers, files, and that all variants take the same tensors; exit 1 if not",
    "decisions": "read this device once and say which variant is most accurate among those that fit",
    "benchmark": "time every variant of a family, one after the other; EdgeAdapt's report with --json",
    "inspect-model": "print the inputs, outputs and providers of an ONNX file",
    "measure-server": "put load on a server that runs already, on a board as a rule, and write its service.json",
    "compare-servers": "load two servers in turns and say which is faster, and how sure that is",
    "inspect-comparison": "recompute what compare-servers has written, and print it",
    "replay": "replay a trace over a family, under our guard and under EdgeAdapt's",
}


def main(argv: list[str], root: Path) -> ExitCode:
    """Run one verb of `edgeproof adaptation` and return its exit code; UserError for a mistake.

    `root`: the folder that has `config/` and `results/`.
    """
    options = read_options(build_adaptation_parser(), argv)
    from .adaptation_verbs import RUN  # after the options: a mistake in them needs no runtime

    return RUN[options.verb](options, root)


def state(argv: list[str], root: Path) -> ExitCode:
    """Run `edgeproof state`, the command beside `edgeproof adaptation`: stream the device's state as JSON lines."""
    options = read_options(build_state_parser(), argv)
    from .state_stream import stream_state

    return stream_state(options, root)


def build_adaptation_parser() -> CommandParser:
    """Return the parser of `edgeproof adaptation` with all its verbs."""
    parser = CommandParser(prog="edgeproof adaptation", description="Choose among measured variants of a model.")
    verbs = add_verbs(parser, VERBS)
    for name in ("validate", "decisions", "benchmark", "replay"):
        verbs[name].add_argument("--config", metavar="FAMILY", required=True, help="family file: YAML, or family.json")
    for name in ("validate", "decisions"):
        verbs[name].add_argument("--latency-ceiling-ms", type=amount, help="slower variants do not fit")
    verbs["validate"].add_argument("--explain", action="store_true", help="also say what would be chosen now, and why")
    verbs["benchmark"].add_argument("--sample", metavar="FILE", help="input as .npy (default: random values)")
    verbs["benchmark"].add_argument("--runs", type=positive, default=100, help="timed runs (default: %(default)s)")
    verbs["inspect-model"].add_argument("model", metavar="MODEL", help="ONNX file")
    _add_server_options(verbs["measure-server"])
    _add_comparison_options(verbs["compare-servers"])
    verbs["inspect-comparison"].add_argument("document", metavar="FILE", help="server-comparison.json")
    replay = verbs["replay"]
    replay.add_argument("--policy", metavar="SELECTION", required=True, help="a file in config/selection/, by name")
    replay.add_argument("--trace", metavar="TRACE", required=True, help="a file in config/traces/, or JSON lines")
    replay.add_argument("--output", metavar="FOLDER", help="write decisions.jsonl here")
    return parser


def _add_server_options(verb: CommandParser) -> None:
    verb.add_argument("url", metavar="URL", help="http://HOST:PORT of `edgeproof serve --fixed` or of board_server")
    verb.add_argument("--config", metavar="FAMILY", required=True, help="family file: a copy of what is served")
    verb.add_argument("--device", metavar="NAME", required=True, help="where it runs, for the document")
    verb.add_argument("--output", metavar="FOLDER", required=True, help="write service.json and service.npz here")
    verb.add_argument(
        "--token-file", metavar="FILE", help="bearer token that the server asks for (or $EDGEPROOF_TOKEN)"
    )
    verb.add_argument("--budget-ms", type=amount, default=50.0, help="of the p99 latency (default: %(default)s)")
    verb.add_argument("--clients", type=positive, default=8, help="of the closed loop (default: %(default)s)")
    verb.add_argument("--stretches", type=positive, default=5, help="that make a figure (default: %(default)s)")
    verb.add_argument("--seconds", type=amount, default=5.0, help="per stretch (default: %(default)s)")
    verb.add_argument("--steps", type=positive, default=6, help="rates to try (default: %(default)s)")


def _add_comparison_options(verb: CommandParser) -> None:
    for side in ("left", "right"):
        verb.add_argument(side, metavar=side.upper(), help="family file, or a service.json")
    for side in ("left", "right"):
        verb.add_argument(f"--{side}-options", metavar="TEXT", default="", help=f"of `edgeproof serve`, for {side}")
    verb.add_argument("--output", metavar="FOLDER", required=True, help="write server-comparison.json and .npz here")
    verb.add_argument("--statistic", choices=("seconds_per_answer", "p50", "p95", "p99"), help="what is compared")
    load = verb.add_mutually_exclusive_group()
    load.add_argument("--rate", type=amount, help="requests per second, with Poisson arrivals")
    load.add_argument("--clients", type=positive, help="closed loop of so many (default: 8, where there is no rate)")
    verb.add_argument("--margin", type=amount, default=0.05, help="a difference that matters (default: %(default)s)")
    verb.add_argument("--pairs", type=positive, default=20, help="of fresh servers, at most (default: %(default)s)")
    verb.add_argument("--stretches", type=positive, default=2, help="of load per server (default: %(default)s)")
    verb.add_argument("--seconds", type=amount, default=2.0, help="per stretch (default: %(default)s)")
    verb.add_argument("--seed", type=count, default=0, help="of order and arrivals (default: %(default)s)")


def build_state_parser() -> CommandParser:
    """Return the parser of `edgeproof state`, the command beside `edgeproof adaptation`."""
    text = "Print the state of this device as JSON lines; a file of them is a trace."
    parser = add_json(CommandParser(prog="edgeproof state", description=text))
    parser.add_argument("--interval", type=amount, default=1.0, help="seconds between lines (default: %(default)s)")
    parser.add_argument("--duration", type=amount, default=30.0, help="seconds in all (default: %(default)s)")
    parser.add_argument("--pid", type=positive, help="also say what this process takes: our own share")
    parser.add_argument("--variant", metavar="NAME", help="name of the variant that the process runs")
    return parser


def list_completions(root: Path) -> NameLists:
    """Return, by the metavar of an argument, the functions that list the names which `edgeproof adaptation` takes."""
    return {
        "FAMILY": lambda: sorted(
            str(path.relative_to(root)) for path in root.glob("results/adaptation/*/*/family.json")
        ),
        "SELECTION": lambda: list_catalogue("selection", root),
        "TRACE": lambda: list_catalogue("trace", root),
    }
