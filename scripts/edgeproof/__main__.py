"""The `edgeproof` command: one sub-command per room, shell completion, and the names that arguments take."""

from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.core.command_line import CommandParser, NameLists, add_json, read_options, show
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode, describe_exit_codes
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.program_start import run_program

HELP = """\
usage: edgeproof ROOM VERB …

From a model to deployment artifacts, and honest evidence about them. The workflow makes everything
(`snakemake --profile local`); these commands look at what it made.

rooms:
  artifacts   presets, builds, provenance, agreement with the source, operators
  plans       where the stages of a pipeline should run
  adaptation  which variant of a model should run now, and traces replayed
  runs        what was measured, why it would be made again, and what that costs
  failed-runs attempts that reached no verdict
  report      two runs side by side, wherever they were measured; `report CAMPAIGN`: what a campaign has found
  attempts    the raw data that are kept, and which evidence rests on them
  evidence    whether everything that a campaign's evidence consists of is as it was made

without a room:
  verify      what of a bundle of evidence holds: every figure is computed again, nothing of it is run
  key         make a key to sign bundles with
  serve       serve a family over HTTP, with the variant that suits this device
  state       print the state of this device as JSON lines: memory, heat, battery, load
  claim       print a number as one line that others can answer: interval, conditions, signature
  replicate   answer such a line: measure the same here, and say whether it holds
  import-step take in what was measured on a device that no job reaches
  compare     compare two cells or two model files, and say which is faster as soon as that is clear
  baseline    keep an artifact that later ones are compared with
  campaign    show what a campaign measures and compares, and where each value was written
  devices     list the devices, and say which of them this machine may be
  doctor      say what is here to measure with, what is missing, and what to do about it
  observe     what your own application's loop did: deadlines, bursts, jitter, from a recording
  new         write the configuration of a model, a device or a preset of your own
  completion  print the completion script for bash or zsh: source <(edgeproof completion bash)
  names       print the names that an argument of the help takes: edgeproof names ARTIFACT
  --version   print the version, and the commit of a checkout

`edgeproof ROOM --help` lists the verbs of a room, `edgeproof ROOM VERB --help` their options. Every verb has --json.
Two words have one meaning in all rooms: `validate` hashes recorded files again, `verify` computes a claim again.

exit codes:
"""

# Rooms are imported when they are asked for, so that `--help` starts at once.


def main(argv: list[str], root: Path = REPOSITORY) -> ExitCode:
    """Run the main program, the `edgeproof` command: the room or verb in its first argument gets the rest.

    UserError for a mistake. `root`: the folder that has `config/` and `results/`.
    """
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(HELP + "\n".join(describe_exit_codes()))
        return ExitCode.GOOD
    word, *rest = argv
    if word == "--version":
        return _tell_version(rest)
    if word not in COMMANDS:
        from edgeproof.core.suggestions import suggest_words  # only for a mistake

        meant = suggest_words(word, COMMANDS)
        raise UserError(f"{word!r} is not a room; there are {', '.join(COMMANDS)}{meant} (see edgeproof --help)")
    return COMMANDS[word](rest, root)


def _tell_version(argv: list[str]) -> ExitCode:
    """Print which edgeproof this is."""
    from edgeproof.artifacts.records.own_version import describe_own_version

    options = read_options(add_json(CommandParser(prog="edgeproof --version")), argv)
    found = describe_own_version()
    commit = f" (commit {found['commit'][:12]})" if "commit" in found else ""
    return show(options, found, lambda: [f"edgeproof {found.get('version', 'of no known version')}{commit}"])


def _run_artifacts(argv: list[str], root: Path) -> ExitCode:
    """Run a verb of the artifacts room."""
    from edgeproof.artifacts.cli import main as artifacts_main

    return artifacts_main(argv, _read_result, root, _run_targets)


def _run_plans(argv: list[str], root: Path) -> ExitCode:
    """Run a verb of the plans room."""
    from edgeproof.plans.cli import main as plans_main

    return plans_main(argv, root)


def _run_adaptation(argv: list[str], root: Path) -> ExitCode:
    """Run a verb of the adaptation room."""
    from edgeproof.adaptation.cli import main as adaptation_main

    return adaptation_main(argv, root)


def _run_serve(argv: list[str], root: Path) -> ExitCode:
    """Serve a family of variants."""
    from edgeproof.adaptation.serving_cli import main as serve_main

    return serve_main(argv, root)


def _run_state(argv: list[str], root: Path) -> ExitCode:
    """Stream the state of this device."""
    from edgeproof.adaptation.cli import state as state_main

    return state_main(argv, root)


def _run_runs(argv: list[str], root: Path) -> ExitCode:
    """Run a verb about results: what there is, and why it would be made again."""
    from edgeproof.workflow.cli import runs as runs_main

    return runs_main(argv, root)


def _run_failed_runs(argv: list[str], root: Path) -> ExitCode:
    """Run a verb about attempts that reached no verdict."""
    from edgeproof.registry.cli import failed_runs as failed_runs_main

    return failed_runs_main(argv, root)


def _run_report(argv: list[str], root: Path) -> ExitCode:
    """Look at two runs side by side, or, with the name of a campaign in place of a verb, at that campaign."""
    from edgeproof.registry.cli import REPORT_VERBS
    from edgeproof.registry.cli import report as report_main

    if not argv or argv[0] in REPORT_VERBS or argv[0].startswith("-"):
        return report_main(argv, root)
    if (root / "results/evidence" / argv[0]).is_dir():
        return _run_evidence(["report", *argv], root)
    from edgeproof.core.suggestions import suggest_words  # only for a mistake

    campaigns = sorted(path.parent.name for path in root.glob("results/evidence/*/wanted.json"))
    known = f"campaigns with evidence: {', '.join(campaigns)}" if campaigns else "no campaign has left evidence yet"
    raise UserError(
        f"edgeproof report: {argv[0]!r} is neither a verb ({', '.join(REPORT_VERBS)}) nor a campaign ({known})"
        f"{suggest_words(argv[0], [*REPORT_VERBS, *campaigns])} (see edgeproof report --help)"
    )


def _run_attempts(argv: list[str], root: Path) -> ExitCode:
    """Run a verb about the store of attempts."""
    from edgeproof.workflow.cli import attempts as attempts_main

    return attempts_main(argv, root)


def _run_evidence(argv: list[str], root: Path) -> ExitCode:
    """Run a verb of the evidence room."""
    from edgeproof.bundles.cli import pack_campaign
    from edgeproof.evidence.cli import main as evidence_main

    return evidence_main(argv, root, pack_campaign)


def _run_verify(argv: list[str], root: Path) -> ExitCode:
    """Verify a bundle of evidence."""
    from edgeproof.bundles.cli import verify as verify_main

    return verify_main(argv, root)


def _run_key(argv: list[str], root: Path) -> ExitCode:
    """Make a key to sign bundles with."""
    from edgeproof.bundles.cli import key as key_main

    return key_main(argv, root)


def _run_compare(argv: list[str], root: Path) -> ExitCode:
    """Compare two cells or two model files."""
    from edgeproof.workflow.comparing.cli import main as compare_main

    return compare_main(argv, root)


def _run_claim(argv: list[str], root: Path) -> ExitCode:
    """Print a number as a claim."""
    from edgeproof.claims.cli import main as claim_main

    return claim_main(argv, root)


def _run_replicate(argv: list[str], root: Path) -> ExitCode:
    """Answer a claim."""
    from edgeproof.workflow.comparing.cli import replicate as replicate_main

    return replicate_main(argv, root)


def _run_import_step(argv: list[str], root: Path) -> ExitCode:
    """Take in what was measured on a device that no job reaches."""
    from edgeproof.workflow.import_step import main as import_main

    return import_main(argv, root)


def _run_baseline(argv: list[str], root: Path) -> ExitCode:
    """Keep an artifact that later ones are compared with."""
    from edgeproof.workflow.baseline_cli import main as baseline_main

    return baseline_main(argv, root)


def _run_campaign(argv: list[str], root: Path) -> ExitCode:
    """Show what a campaign measures and compares."""
    from edgeproof.core.campaign_view import main as campaign_main

    return campaign_main(argv, root)


def _run_devices(argv: list[str], root: Path) -> ExitCode:
    """List the devices of the configuration."""
    from edgeproof.doctor.cli import devices as devices_main

    return devices_main(argv, root)


def _run_doctor(argv: list[str], root: Path) -> ExitCode:
    """Say what is here to measure with."""
    from edgeproof.doctor.cli import examine as doctor_main

    return doctor_main(argv, root)


def _run_observe(argv: list[str], root: Path) -> ExitCode:
    """Look at recordings of a user's own loop."""
    from edgeproof.evidence.observe_cli import main as observe_main

    return observe_main(argv, root)


def _run_new(argv: list[str], root: Path) -> ExitCode:
    """Write configuration files for something of the user's."""
    from edgeproof.scaffolding.cli import main as new_main

    return new_main(argv, root)


def _run_completion(argv: list[str], root: Path) -> ExitCode:
    """Print the completion script of a shell."""
    from edgeproof.core.shell_completion import render_completion

    parser = build_program_parser()
    options = read_options(parser.verbs["completion"], argv)
    script = render_completion(options.shell, parser, set(list_completions(root)))
    return show(options, {"shell": options.shell, "script": script}, lambda: [script.rstrip("\n")])


def _run_names(argv: list[str], root: Path) -> ExitCode:
    """Print the names that arguments of one kind take."""
    known = list_completions(root)
    options = read_options(build_program_parser().verbs["names"], argv)
    found = known[options.kind]()
    return show(options, found, lambda: found)


def build_program_parser() -> CommandParser:
    """Return the parser of the main program, the whole `edgeproof` command, with the parsers of all rooms.

    Completion is generated from it, and tests walk it.
    """
    from edgeproof.adaptation.cli import build_adaptation_parser, build_state_parser
    from edgeproof.adaptation.serving_cli import build_serve_parser
    from edgeproof.artifacts.cli import build_artifacts_parser
    from edgeproof.bundles.cli import build_key_parser, build_verify_parser
    from edgeproof.claims.cli import build_claim_parser
    from edgeproof.core.campaign_view import build_parser as build_campaign_parser
    from edgeproof.core.shell_completion import SHELLS
    from edgeproof.doctor.cli import build_devices_parser, build_doctor_parser
    from edgeproof.evidence.cli import build_evidence_parser
    from edgeproof.evidence.observe_cli import build_observe_parser
    from edgeproof.plans.cli import build_plans_parser
    from edgeproof.registry.cli import build_failed_runs_parser, build_report_parser
    from edgeproof.scaffolding.cli import build_new_parser
    from edgeproof.workflow.baseline_cli import build_baseline_parser
    from edgeproof.workflow.cli import build_attempts_parser, build_runs_parser
    from edgeproof.workflow.comparing.cli import build_compare_parser, build_replicate_parser
    from edgeproof.workflow.import_step import build_import_parser

    parser = CommandParser(prog="edgeproof")
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.verbs |= {"artifacts": build_artifacts_parser(), "plans": build_plans_parser()}
    parser.verbs |= {"compare": build_compare_parser(), "baseline": build_baseline_parser()}
    parser.verbs |= {"campaign": build_campaign_parser(), "devices": build_devices_parser()}
    parser.verbs |= {"doctor": build_doctor_parser(), "observe": build_observe_parser(), "new": build_new_parser()}
    parser.verbs |= {"runs": build_runs_parser(), "attempts": build_attempts_parser()}
    parser.verbs |= {"failed-runs": build_failed_runs_parser(), "report": build_report_parser()}
    parser.verbs |= {"evidence": build_evidence_parser(), "verify": build_verify_parser(), "key": build_key_parser()}
    parser.verbs |= {"adaptation": build_adaptation_parser(), "state": build_state_parser()}
    parser.verbs |= {"claim": build_claim_parser(), "replicate": build_replicate_parser()}
    parser.verbs["import-step"] = build_import_parser()
    parser.verbs["serve"] = build_serve_parser()
    for name, text in (("completion", "Print the completion script of a shell."), ("names", "Print known names.")):
        verb = add_json(CommandParser(prog=f"edgeproof {name}", description=text))
        parser.verbs[name] = verb
    parser.verbs["completion"].add_argument("shell", choices=SHELLS, help="the shell")
    kinds = sorted(list_completions(REPOSITORY))
    parser.verbs["names"].add_argument("kind", choices=kinds, help="the argument, as the help of its verb calls it")
    return parser


def list_completions(root: Path) -> NameLists:
    """Return for the main program {metavar of any argument of `edgeproof`: function that lists the names it takes}."""
    from edgeproof.adaptation.cli import list_completions as list_adaptation
    from edgeproof.artifacts.cli import list_completions as list_artifacts
    from edgeproof.core.campaign_view import list_campaign_files
    from edgeproof.evidence.cli import list_completions as list_evidence
    from edgeproof.evidence.observe_cli import list_completions as list_observe
    from edgeproof.plans.cli import list_completions as list_plans
    from edgeproof.scaffolding.cli import list_completions as list_new
    from edgeproof.workflow.cli import list_completions as list_workflow
    from edgeproof.workflow.comparing.cli import list_completions as list_compare

    campaigns: NameLists = {"CAMPAIGN": lambda: list_campaign_files(root)}
    rooms = (list_artifacts, list_plans, list_workflow, list_new, list_evidence, list_observe, list_compare)
    rooms += (list_adaptation,)
    return {metavar: names for room in rooms for metavar, names in room(root).items()} | campaigns


def _run_targets(targets: Sequence[str], root: Path) -> None:
    """Have Snakemake make targets of the workflow, for a verb that needs what is not there yet."""
    from edgeproof.workflow.comparing.running import make_targets

    make_targets(targets, root)


def _read_result(path: Path) -> Json:
    """Return a result that its raw data confirms; the artifacts room may not import the runs room itself."""
    from edgeproof.runs.results import read_result as read

    return read(path)


COMMANDS: dict[str, Callable[[list[str], Path], ExitCode]] = {
    "artifacts": _run_artifacts,
    "plans": _run_plans,
    "adaptation": _run_adaptation,
    "state": _run_state,
    "serve": _run_serve,
    "runs": _run_runs,
    "attempts": _run_attempts,
    "failed-runs": _run_failed_runs,
    "report": _run_report,
    "evidence": _run_evidence,
    "verify": _run_verify,
    "key": _run_key,
    "claim": _run_claim,
    "replicate": _run_replicate,
    "import-step": _run_import_step,
    "compare": _run_compare,
    "baseline": _run_baseline,
    "campaign": _run_campaign,
    "devices": _run_devices,
    "doctor": _run_doctor,
    "observe": _run_observe,
    "new": _run_new,
    "completion": _run_completion,
    "names": _run_names,
}

if __name__ == "__main__":
    run_program(main)
