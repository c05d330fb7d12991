"""`edgeproof observe`: recordings of your own loop become observed runs with deadlines, bursts, jitter and a page."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgeproof.core.command_line import CommandParser, NameLists, add_verbs, read_options, show
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.suggestions import suggest_words

OBSERVE_VERBS = {
    "import": "make an observed run of a recording that the runtime package's observer wrote",
    "show": "compute an observed run again from its recording and show it",
    "beside": "put an observed run beside a benchmark run, and say why the two are no comparison; exit 1",
}
_DESCRIPTION = "Look at what your own application's loop did: deadlines missed, bursts, jitter, stages."


def main(argv: list[str], root: Path) -> ExitCode:
    """Run one verb of `edgeproof observe` and return its exit code; UserError for a mistake.

    `root`: has `config/` and `results/`.
    """
    options = read_options(build_observe_parser(), argv)
    if options.verb == "import":
        return _import(options, root)
    from edgeproof.runs.observed_runs import read_observed  # after the options: a mistake in them needs no numpy

    document, _ = read_observed(_find(options.name, root))
    if options.verb == "show":
        return show(options, document, lambda: _render(document))
    from edgeproof.comparability.observed_beside import put_beside
    from edgeproof.runs.results import read_result

    path = root / "results" / "runs" / options.cell / "result.json"
    if not path.is_file():
        raise UserError(f"{options.cell}: there is no {path}; name a cell that was measured")
    beside = put_beside(document, read_result(path))
    show(options, beside, lambda: _render_beside(beside))
    return ExitCode.NOT_GOOD


def build_observe_parser() -> CommandParser:
    """Return the parser of `edgeproof observe` with all its verbs."""
    parser = CommandParser(prog="edgeproof observe", description=_DESCRIPTION)
    verbs = add_verbs(parser, OBSERVE_VERBS)
    taken = verbs["import"]
    taken.add_argument("file", metavar="FILE", help="the recording")
    taken.add_argument("--name", metavar="NAME", help="name of the run below results/observed/ (default: the file's)")
    taken.add_argument("--device", metavar="DEVICE", help="the device it was recorded on; another board is refused")
    taken.add_argument(
        "--deadline-ms", metavar="MS", type=_milliseconds, help="judge by this deadline (default: the recording's own)"
    )
    for name in ("show", "beside"):
        verbs[name].add_argument("name", metavar="OBSERVED", help="name of an observed run")
    verbs["beside"].add_argument("cell", metavar="CELL", help="the benchmark run: MODEL/PRESET/DEVICE/PRECISION")
    return parser


def list_completions(root: Path) -> NameLists:
    """Return the completions of `edgeproof observe`: functions that list the names its arguments take, by metavar."""
    return {
        "OBSERVED": lambda: _list_names(root),
        "CELL": lambda: sorted("/".join(p.parts[-5:-1]) for p in root.glob("results/runs/*/*/*/*/result.json")),
    }


def _import(options: argparse.Namespace, root: Path) -> ExitCode:
    import re

    from edgeproof.core.catalogues import NAME, read_catalogue_entry
    from edgeproof.core.layout import observed_folder
    from edgeproof.runs.observed_runs import DOCUMENT, import_recording

    from .observed_page import write_observed_page

    source = Path(options.file)
    name = options.name or re.sub("[^a-z0-9]+", "-", source.stem.lower()).strip("-")
    if not re.fullmatch(NAME, name):
        raise UserError(f"--name is {name!r}: a name matches {NAME}")
    device: Any = (options.device, read_catalogue_entry("device", options.device, root)) if options.device else None
    document = import_recording(source, name, root, device, options.deadline_ms)
    page = write_observed_page(root / observed_folder(name) / DOCUMENT)
    return show(options, document, lambda: [*_render(document), f"Page: {page}"])


def _list_names(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("results/observed/*/observed.json"))


def _find(name: str, root: Path) -> Path:
    known = _list_names(root)
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "nothing was imported yet"
        raise UserError(f"{name}: no observed run has this name; {there}{suggest_words(name, known)}")
    return root / "results" / "observed" / name / "observed.json"


def _render(document: Json) -> Iterator[str]:
    from edgeproof.core.formatting import format_number, format_percent, plain

    from .observed_page import list_limits, say_deadline

    yield plain(f"{document['name']}: {say_deadline(document)}")
    if latency := document["latency"]:
        tail = "" if latency["p99_ms"] is None else f", 99 % within {format_number(latency['p99_ms'])} ms"
        slowest = f"slowest {format_number(latency['max_ms'])} ms"
        yield plain(
            f"{document['calls']['recorded']} calls: median {format_number(latency['median_ms'])} ms{tail}, {slowest}"
        )
    if jitter := document["jitter"]:
        off = format_number(jitter["period_off_max_ms"])
        yield plain(f"an input every {format_number(jitter['period_ms'])} ms, off by {off} ms at most")
    for stage in document["stages"]:
        times = f"median {format_number(stage['median_ms'])} ms, slowest {format_number(stage['max_ms'])} ms"
        yield plain(f"  {stage['name']:<16} {times}, {format_percent(stage['share'], 2)} of the time")
    yield from map(plain, list_limits(document))


def _render_beside(beside: Json) -> Iterator[str]:
    from edgeproof.core.formatting import format_number, plain

    cell = "/".join(beside["benchmark"]["cell"][part] for part in ("model", "preset", "device", "precision"))
    yield f"not-comparable: {beside['observed']['name']} was observed, {cell} was benchmarked"
    for reason in beside["reasons"]:
        yield f"  {reason['field']}: {reason['left']} and {reason['right']}; {reason['remedy']}"
    for side, value in beside["inference_ms"].items():
        told = "unknown" if value is None else f"{format_number(value)} ms"
        yield plain(f"  {side}: inference takes {told} at the median")


def _milliseconds(text: str) -> float:
    """Return the value of an option that is a time in milliseconds, above 0 (argparse `type`)."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} must be a positive number of milliseconds")
    return value
