"""`edgeproof artifacts`: what can be built, what was built, whether it still holds, and what can be compared.

Here are the verbs and their options. What they do is in `artifact_verbs`, which is imported when a verb runs: `--help`
and completion need none of its packages.
"""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.core.command_line import CommandParser, NameLists, add_verbs, positive, read_options
from edgeproof.core.configuration import Json
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import REPOSITORY

ResultReader = Callable[[Path], Json]
VERBS = {
    "presets": "list the presets, or show one of them",
    "dry-run": "say what a build would read, make and run; nothing is created",
    "list": "list the artifacts that were built",
    "inspect": "show a manifest with its parity, its results and the next step",
    "validate": "hash every file again that manifests name; exit 1 if something differs",
    "rebuild": "build again from a manifest and compare; exit 1 if the result is different",
    "summary": "show the fifteen fields of runtime-summary.json that a worker needs",
    "run-summary": "write InferEdgeForge's run_summary.json of an artifact, from the run that measured it",
    "agent-manifest": "write InferEdgeForge's agent_manifest.json of an artifact; `validate` checks one",
    "candidates": "group the builds by their source: which are measured, and what comes next",
    "compare-command": "print the configuration and the command that compare two builds of one source",
    "search": "try ways to build a model, cheapest first, until one loses little enough accuracy; exit 1 if none does",
    "explain": "show where an artifact spends its time, operator by operator, against its source",
}
_DESCRIPTION = "Look at presets and artifacts. Names are MODEL/PRESET/BUILDER/PRECISION, as `list` prints them."
_ONE = "a name that `list` prints, or the path of a manifest.json"
_SEVERAL = "a name that `list` prints, its first parts, a manifest.json, a folder of them, or `all`"


def main(
    argv: list[str],
    read_result: ResultReader,
    root: Path | str = REPOSITORY,
    run_targets: "Callable[[Sequence[str], Path], None] | None" = None,
) -> ExitCode:
    """Run one verb of `edgeproof artifacts` and return its exit code; UserError for a mistake.

    `read_result`: reads a result.json of the runs room and checks it against its raw data. `root`: the folder that has
    `config/` and `results/`. `run_targets`: makes targets of the workflow, which is a room above.
    """
    options = read_options(build_artifacts_parser(), argv)
    options.run_targets = run_targets
    from .artifact_verbs import RUN  # after the options: a mistake in them needs no package

    return RUN[options.verb](options, Path(root), read_result)


def build_artifacts_parser() -> CommandParser:
    """Return the parser of `edgeproof artifacts` with all its verbs."""
    parser = CommandParser(prog="edgeproof artifacts", description=_DESCRIPTION)
    verbs = add_verbs(parser, VERBS)
    verbs["presets"].add_argument("preset", nargs="?", metavar="PRESET", help="a name in config/presets/")
    verbs["dry-run"].add_argument("artifact", metavar="BUILD", help="MODEL/PRESET/BUILDER/PRECISION, built or not")
    for name in ("list", "candidates", "compare-command"):
        verbs[name].add_argument("--model", metavar="MODEL", help="of this model only")
    for name in ("inspect", "summary", "run-summary"):
        verbs[name].add_argument("artifact", metavar="ARTIFACT", help=f"{_ONE}; InferEdgeForge's too")
    verbs["validate"].add_argument("target", metavar="ARTIFACT", help=f"{_SEVERAL}; InferEdgeForge's manifests too")
    verbs["validate"].add_argument(
        "--lenient", action="store_true", help="accept changes of presets and locks that did not decide the build"
    )
    verbs["validate"].add_argument("--verbose", action="store_true", help="show also what holds")
    verbs["rebuild"].add_argument("target", metavar="ARTIFACT", help=_SEVERAL)
    verbs["rebuild"].add_argument(
        "--output", metavar="FOLDER", help="an empty or new folder (default: the next one in results/rebuilds/)"
    )
    for name in ("summary", "run-summary"):
        verbs[name].add_argument("--output", metavar="FILE", help="write it to this file")
    _add_agent_options(verbs["agent-manifest"])
    verbs["compare-command"].add_argument("--left", metavar="ARTIFACT", help="what is compared with: artifact or cell")
    verbs["compare-command"].add_argument("--right", metavar="ARTIFACT", help="what is compared: artifact or cell")
    verbs["search"].add_argument("model", metavar="MODEL", help="a model whose task has an accuracy")
    verbs["search"].add_argument(
        "preset", metavar="PRESET", help="how the result is to run; presets that run alike are tried"
    )
    verbs["search"].add_argument(
        "--accuracy-loss", metavar="SHARE", type=_points, default=0.01, help="what may be lost, as 1pp (default 1pp)"
    )
    verbs["explain"].add_argument("artifact", metavar="ARTIFACT", help=_ONE)
    verbs["explain"].add_argument("--runs", type=positive, default=50, help="timed runs per arm (default: %(default)s)")
    verbs["explain"].add_argument("--output", metavar="FILE", help="write operators.json to this file")
    return parser


def _add_agent_options(verb: CommandParser) -> None:
    """Declare the options of `agent-manifest`; which values are allowed is checked with the document."""
    verb.add_argument("artifact", metavar="ARTIFACT", help=_ONE)
    verb.add_argument("--agent-id", required=True, metavar="WORD", help="name of the agent")
    verb.add_argument("--agent-type", required=True, metavar="WORD", help="vision, voice, safety or utility")
    verb.add_argument("--priority", type=int, default=50, metavar="NUMBER", help="0 to 100 (default: %(default)s)")
    verb.add_argument(
        "--latency-budget-ms", type=positive, required=True, metavar="MS", help="what one answer may take"
    )
    verb.add_argument("--deadline-ms", type=positive, required=True, metavar="MS", help="after which it is of no use")
    verb.add_argument("--input-type", required=True, metavar="WORD", help="what goes in, such as image")
    verb.add_argument("--output-type", required=True, metavar="WORD", help="what comes out, such as classes")
    verb.add_argument(
        "--fallback", default="none", metavar="WORD",
        help="none, drop_stale, degrade_backend, skip_low_priority or notify_only (default: %(default)s)",
    )  # fmt: skip
    verb.add_argument("--target", metavar="WORD", help="the device that runs it (default: what built it)")
    verb.add_argument("--output", metavar="FILE", help="write it to this file")


def _points(text: str) -> float:
    """Return the value of an option in percentage points, `1pp`, or as a share, `0.01` (argparse `type`)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(pp)?", text)
    value = float(match[1]) / (100 if match[2] else 1) if match else 1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no loss of accuracy; write 1pp")
    return value


def list_completions(root: Path) -> NameLists:
    """Return, by the metavar of an argument of `edgeproof artifacts`, the functions that list the names it takes."""
    from edgeproof.artifacts import artifact_names
    from edgeproof.core.catalogues import list_catalogue

    return {
        "ARTIFACT": lambda: artifact_names.list_built(root),
        "BUILD": lambda: artifact_names.list_buildable(root),
        "MODEL": lambda: list_catalogue("model", root),
        "PRESET": lambda: list_catalogue("preset", root),
    }
