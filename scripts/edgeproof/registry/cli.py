"""`edgeproof runs`, `failed-runs` and `report`: look at what was measured, wherever it came from.

Here are the verbs and their options; what they do is in `run_verbs` and `report_verbs`, imported when a verb runs.
"""

from argparse import Namespace
from pathlib import Path

from edgeproof.bundles.cli import declare_export, declare_import
from edgeproof.core.command_line import CommandParser, add_verbs, count, positive, read_options
from edgeproof.core.exit_codes import ExitCode

RUN_VERBS = {
    "list": "list runs, newest first",
    "show": "show one run: its figures, resource metrics and attempts, checked against its samples",
    "resources": "list resource metrics of runs, by metric, source and value",
    "sampler": "show what sampled a run beside the timing",
    "telemetry": "put what samplers said of several runs into one file, and look at such a file",
    "export": "pack one run into a file that anybody can verify; of an import, the whole bundle as it came",
    "import": "take in a bundle that was made elsewhere; it is verified first, and nothing is written over",
    "index": "read the files below results/ again and make the registry anew",
}
TELEMETRY_VERBS = {
    "export-history": "write the telemetry of runs into one file; a run without any is listed as a gap",
    "inspect-history": "check such a file and list its runs and gaps; exit 1 if its figures do not follow from it",
}
FAILED_VERBS = {
    "list": "list attempts that reached no verdict, newest first",
    "show": "show one of them with the end of its log",
    "export": "pack one of them with its logs, which are redacted",
    "import": "take in a failed run that was packed elsewhere",
}
REPORT_VERBS = {
    "compare": "may two runs be compared, and how far are their figures apart? Exit 1 if they may not",
    "regression": "judge two runs by the thresholds of a policy; exit 1 for a regression, 3 where it cannot be judged",
    "bundle-summary": "put pairs of runs on one page: files, samplers, comparability, what verifying each has found",
}
_FILTERS = ("model", "preset", "device", "precision", "status", "runtime", "machine", "origin", "campaign")


def run_verb(options: Namespace, root: Path) -> ExitCode:
    """Run `edgeproof runs VERB`, with a verb of RUN_VERBS. `root`: the folder that has `results/`."""
    if options.verb == "telemetry":
        from .telemetry_verbs import RUN as OF_TELEMETRY  # after the options: a mistake in them needs no database

        return OF_TELEMETRY[options.telemetry_verb](options, root)
    from .run_verbs import RUN

    return RUN[f"runs {options.verb}"](options, root)


def failed_runs(argv: list[str], root: Path) -> ExitCode:
    """Run a verb of `edgeproof failed-runs`. `root`: the folder that has `results/`."""
    options = read_options(build_failed_runs_parser(), argv)
    from .run_verbs import RUN  # after the options: a mistake in them needs no database

    return RUN[f"failed-runs {options.verb}"](options, root)


def report(argv: list[str], root: Path) -> ExitCode:
    """Run a verb of `edgeproof report`. `root`: the folder that has `config/` and `results/`."""
    options = read_options(build_report_parser(), argv)
    from .report_verbs import RUN

    return RUN[f"report {options.verb}"](options, root)


def declare_run_verbs(verbs: dict[str, CommandParser]) -> None:
    """Declare the command-line options of RUN_VERBS; `verbs`: their parsers by name, as `edgeproof runs` has them."""
    listed = verbs["list"]
    for name in _FILTERS:
        listed.add_argument(f"--{name}", metavar=name.upper(), help=f"only runs of this {name}")
    resources = verbs["resources"]
    resources.add_argument("--metric", metavar="METRIC", help="only this metric, such as memory_peak_mb")
    resources.add_argument("--source", metavar="SOURCE", help="only what this source measured")
    resources.add_argument("--min-value", metavar="VALUE", type=float, help="only values of at least this")
    resources.add_argument("--max-value", metavar="VALUE", type=float, help="only values of at most this")
    for name in ("model", "device"):
        resources.add_argument(f"--{name}", metavar=name.upper(), help=f"only runs of this {name}")
    for name in ("show", "sampler"):
        verbs[name].add_argument("run", metavar="RUN", help="a run as `edgeproof runs list` names it")
    declare_export(verbs["export"], "RUN")
    declare_import(verbs["import"])
    _declare_telemetry(verbs["telemetry"])
    for name in ("list", "resources"):
        _declare_limit(verbs[name])
    for name in ("list", "show", "resources", "sampler", "export", "import"):
        _declare_edgeenv(verbs[name])


def build_failed_runs_parser() -> CommandParser:
    """Return the parser of `edgeproof failed-runs`."""
    parser = CommandParser(prog="edgeproof failed-runs", description="Look at attempts that reached no verdict.")
    verbs = add_verbs(parser, FAILED_VERBS)
    verbs["list"].add_argument("--kind", metavar="KIND", help="only attempts of this kind: session, pairs, build, …")
    verbs["list"].add_argument("--reason", metavar="REASON", help="only those that failed for this reason")
    verbs["list"].add_argument("--target", metavar="TARGET", help="only those at or below this folder or cell")
    _declare_limit(verbs["list"])
    verbs["show"].add_argument("attempt", metavar="ATTEMPT", help="its folder, or the end of it: 0001-1f0c93ab")
    verbs["show"].add_argument("--log-chars", metavar="N", type=count, default=2000, help="of each log; default 2000")
    declare_export(verbs["export"], "ATTEMPT")
    declare_import(verbs["import"])
    for verb in verbs.values():
        _declare_edgeenv(verb)
    return parser


def build_report_parser() -> CommandParser:
    """Return the parser of `edgeproof report`."""
    parser = CommandParser(
        prog="edgeproof report",
        description="Look at two runs side by side. With the name of a campaign in place of a verb, `edgeproof report "
        "CAMPAIGN`: what that campaign has found (its options: edgeproof evidence report --help).",
    )
    parser.instead = "EVIDENCE"
    verbs = add_verbs(parser, REPORT_VERBS)
    for name, default in (("compare", "strict"), ("regression", "edgeenv-v1")):
        verb = verbs[name]
        verb.add_argument("left", metavar="RUN", help="the baseline, a run as `edgeproof runs list` names it")
        verb.add_argument("right", metavar="RUN", help="the candidate")
        folder = "policies" if name == "compare" else "regressions"
        verb.add_argument("--policy", default=default, help=f"a policy of config/{folder}/; default {default}")
        _declare_edgeenv(verb)
    summary = verbs["bundle-summary"]
    text = "a pair of runs, as often as you like: LABEL:RUN:RUN"
    summary.add_argument("--scenario", metavar="SCENARIO", action="append", required=True, help=text)
    summary.add_argument("-o", "--output", metavar="FILE", help="write the page into this file")
    summary.add_argument("--source-device", metavar="TEXT", help="where the runs come from, for the page")
    summary.add_argument("--note", metavar="TEXT", action="append", default=[], help="a sentence for the page")
    _declare_edgeenv(summary)
    verbs["regression"].add_argument("--output-json", metavar="FILE", help="write the report as JSON, too")
    verbs["regression"].add_argument("--output-md", metavar="FILE", help="write the report as Markdown, too")
    return parser


def _declare_telemetry(verb: CommandParser) -> None:
    verbs = add_verbs(verb, TELEMETRY_VERBS, "telemetry_verb")
    export = verbs["export-history"]
    export.add_argument("runs", metavar="RUN", nargs="*", help="as `edgeproof runs list` names them; default all")
    export.add_argument("-o", "--output", metavar="FILE", required=True, help="the file to write")
    for name in ("campaign", "model", "device"):
        export.add_argument(f"--{name}", metavar=name.upper(), help=f"only runs of this {name}")
    _declare_edgeenv(export)
    verbs["inspect-history"].add_argument("file", metavar="FILE", help="a file that `export-history` or EdgeEnv wrote")


def _declare_limit(verb: CommandParser) -> None:
    verb.add_argument("--limit", metavar="N", type=positive, default=50, help="at most so many (default: 50)")
    verb.add_argument("--all", action="store_true", help="all of them")


def _declare_edgeenv(verb: CommandParser) -> None:
    text = "work on this folder of EdgeEnv (.edgeenv) and its own archives instead of the registry"
    verb.add_argument("--edgeenv-root", metavar="FOLDER", help=text)
