"""`edgeproof runs` and `edgeproof attempts`: what was measured, why a document would be made again, and what the store
of attempts holds.

Here are the verbs and their options; what they do is in `verbs` and in the registry, imported when a verb runs.
"""

from pathlib import Path

from edgeproof.core.command_line import CommandParser, NameLists, add_verbs, amount, positive, read_options
from edgeproof.core.exit_codes import ExitCode
from edgeproof.registry.cli import RUN_VERBS, declare_run_verbs, run_verb

SAMPLERS = ("hwmon", "tegrastats", "rapl", "nvml", "vcgencmd", "procfs", "meter-csv")
RUNS_VERBS = {
    **RUN_VERBS,
    "why": "say which parts of a document's key differ from today's, and what would run; exit 1 if something differs",
    "history": "list all sessions of a cell, whatever their keys, and where its latency stepped",
    "bisect": "say whether the machine or a part of the key changed where a latency stepped; exit 3 if neither",
    "from-edgeenv": "run EdgeEnv's benchmark configuration on its target profile, and keep the figures that it prints",
    "judge-edgeenv": "judge whether two such runs may be compared, and whether the second is worse; exit 1 if not good",
    "again": "measure one more session of a run: it starts snakemake, which uses all sessions of today's key",
    "sample": "run samplers around a command: power, energy, temperature and memory of it; exit 1 if the command fails",
}
ATTEMPTS_VERBS = {
    "list": "list the attempts of the store: size, key, machine, and which documents rest on each",
    "prune": "remove attempts that no document names; without --yes it only says which",
}


def runs(argv: list[str], root: Path) -> ExitCode:
    """Run `edgeproof runs VERB`, any of its verbs. `root`: the folder that has `config/`, `scripts/` and `results/`."""
    options = read_options(build_runs_parser(), argv)
    if options.verb in RUN_VERBS:
        return run_verb(options, root)
    from .workflow_verbs import RUN  # after the options: a mistake in them needs no configuration

    return RUN[f"runs {options.verb}"](options, root)


def attempts(argv: list[str], root: Path) -> ExitCode:
    """Run `edgeproof attempts VERB`, any of its verbs. `root`: the folder that has `results/`."""
    options = read_options(build_attempts_parser(), argv)
    from .workflow_verbs import RUN

    return RUN[f"attempts {options.verb}"](options, root)


def build_runs_parser() -> CommandParser:
    """Return the parser of `edgeproof runs` with the verbs that the workflow adds to those of the registry."""
    parser = CommandParser(
        prog="edgeproof runs", description="Look at runs, ask why they would be made again, measure more."
    )
    verbs = add_verbs(parser, RUNS_VERBS)
    declare_run_verbs(verbs)
    _declare_edgeenv(verbs)
    why, again = verbs["why"], verbs["again"]
    why.add_argument(
        "document", metavar="DOCUMENT", help="a file below results/, or the name of a cell, a comparison or a plan"
    )
    again.add_argument(
        "targets", metavar="DOCUMENT", nargs="+", help="a cell, its result, or a comparison of two devices (both sides)"
    )
    again.add_argument("--profile", metavar="PROFILE", default="local", help="of snakemake; default local")
    again.add_argument("--later", action="store_true", help="leave the wish and print the command, measure nothing")
    for name in ("history", "bisect"):
        verbs[name].add_argument("cell", metavar="DOCUMENT", help="a cell, as model/preset/device/precision")
    for verb in (why, again):
        verb.add_argument(
            "--configfile", metavar="FILE", nargs="+", default=[], help="campaign files, laid over config/config.yaml"
        )
        verb.add_argument("--replace-workflow-config", action="store_true", help="without config/config.yaml")
    _add_sample_options(verbs["sample"])
    return parser


def _declare_edgeenv(verbs: dict[str, CommandParser]) -> None:
    """Declare the arguments of the verbs about commands under EdgeEnv's contract."""
    run, judge = verbs["from-edgeenv"], verbs["judge-edgeenv"]
    run.add_argument("config", metavar="CONFIG", help="EdgeEnv's benchmark configuration, YAML")
    run.add_argument("profile", metavar="TARGET_PROFILE", help="EdgeEnv's target profile, YAML")
    run.add_argument("--check", action="store_true", help="only validate both files; nothing is run")
    for side, text in (("baseline", "the run to compare with"), ("candidate", "the run to judge")):
        judge.add_argument(side, metavar="REPORTED", help=f"{text}: NAME/TARGET/PRECISION")
    judge.add_argument(
        "--policy", metavar="WORD", default="edgeenv-v1", help="in config/policies/ (default edgeenv-v1)"
    )


def _add_sample_options(verb: CommandParser) -> None:
    verb.add_argument("words", metavar="CMD", nargs="+", help="the command, after --")
    verb.add_argument("--sampler", choices=SAMPLERS, action="append", default=[], help="which sampler; may be repeated")
    verb.add_argument("--device", metavar="DEVICE", help="take the samplers of this device")
    verb.add_argument("--idle", metavar="SECONDS", type=amount, default=0.0, help="watch before and after; default 0")
    verb.add_argument("--interval-ms", metavar="MS", type=positive, help="time between two samples")
    verb.add_argument("--boundary", choices=("chip", "module", "board", "wall"), help="what the power is the power of")
    verb.add_argument("--root", metavar="FOLDER", help="folder that stands for / when /sys and /proc are read")
    verb.add_argument("--tool", metavar="COMMAND", help="the vendor's tool in place of the one in PATH")
    verb.add_argument("--file", metavar="CSV", help="file that the meter writes (meter-csv)")
    verb.add_argument("--keep", metavar="FOLDER", help="keep telemetry.csv and the raw logs here")


def build_attempts_parser() -> CommandParser:
    """Return the parser of `edgeproof attempts` with its verbs, which are the workflow's."""
    parser = CommandParser(prog="edgeproof attempts", description="Look at the store of attempts.")
    verbs = add_verbs(parser, ATTEMPTS_VERBS)
    for verb in verbs.values():
        text = "only those of this target: a folder below results/, a document, or a cell"
        verb.add_argument("target", metavar="TARGET", nargs="?", help=text)
    prune = verbs["prune"]
    prune.add_argument("--older-than", metavar="DAYS", type=amount, help="only those that ended longer ago")
    prune.add_argument("--failed", action="store_true", help="only those that failed")
    prune.add_argument("--yes", action="store_true", help="remove them")
    return parser


def list_completions(root: Path) -> NameLists:
    """Return, by the metavar of an argument, the functions that list the names it takes."""
    from . import made_names

    return {
        "REPORTED": lambda: made_names.list_reported(root),
        "DOCUMENT": lambda: made_names.list_made(root),
        "RUN": lambda: made_names.list_runs(root),
        "TARGET": lambda: made_names.list_stores(root),
    }
