"""What the verbs of `edgeproof runs` and `edgeproof attempts` do: each prints for people or as JSON."""

import contextlib
import datetime
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from edgeproof.core.campaign_view import BASE
from edgeproof.core.command_line import show
from edgeproof.core.exit_codes import ExitCode

from . import another_session, kept_attempts, reasons, session_history
from .workflow_reading import Reading, read_workflow


def again(options: Namespace, root: Path) -> ExitCode:
    """Leave the wish for one more session and start Snakemake, unless `--later`. NOT_GOOD where that fails."""
    files = _name_campaign_files(options)
    with contextlib.chdir(root):
        asked = another_session.ask_for_sessions(_read_campaign(options, files), options.targets)
    documents = [item["document"] for item in asked]
    command = another_session.compose_command(documents, options.profile, files, options.replace_workflow_config)
    text = shlex.join(["snakemake", *command[3:]])
    outcome = {"asked": asked, "command": text, "started": not options.later}
    wanted = [f"{item['document']}: {item['sessions']} sessions wanted" for item in asked]
    show(options, outcome, lambda: [*wanted, text])
    if options.later:
        return ExitCode.GOOD
    sys.stdout.flush()
    return ExitCode.GOOD if another_session.run_command(command, root) == 0 else ExitCode.NOT_GOOD


def why(options: Namespace, root: Path) -> ExitCode:
    """Say why a document would be made again. NOT_GOOD if its key, or one above it, differs from today's."""
    files = _name_campaign_files(options)
    with contextlib.chdir(root):  # configuration and code are named relative to it
        found = reasons.explain(_read_campaign(options, files), options.document)
    show(options, found, lambda: reasons.render_reasons(found))
    return ExitCode.GOOD if found["status"] == "same" else ExitCode.NOT_GOOD


def _name_campaign_files(options: Namespace) -> list[str]:
    return [str(Path(path).absolute()) for path in options.configfile]


def _read_campaign(options: Namespace, files: list[str]) -> Reading:
    base = [] if options.replace_workflow_config and files else [BASE]
    return read_workflow([*base, *files])


def list_attempts(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `attempts list`."""
    documents = [kept_attempts.describe(item, root) for item in kept_attempts.list_kept(root, options.target)]
    return show(options, {"attempts": documents}, lambda: kept_attempts.render_kept(documents))


def prune(options: Namespace, root: Path) -> ExitCode:
    """Remove the attempts that nothing rests on, or say which those are."""
    now = datetime.datetime.now(datetime.UTC)

    def choose() -> list[kept_attempts.Kept]:
        kept = kept_attempts.list_kept(root, options.target)
        return kept_attempts.choose_prunable(kept, options.older_than, options.failed, now)

    chosen = choose()
    if options.yes:
        chosen = kept_attempts.remove(chosen, lambda: {str(item.attempt.folder) for item in choose()})
    documents = [kept_attempts.describe(item, root) for item in chosen]
    last = "removed" if options.yes else "nothing was removed; --yes removes them"
    outcome = {"removed": options.yes, "attempts": documents}
    return show(options, outcome, lambda: [*kept_attempts.render_kept(documents), last])


RUN: dict[str, Callable[[Namespace, Path], ExitCode]] = {
    "runs again": again,
    "runs why": why,
    "runs history": session_history.tell_history,
    "runs bisect": session_history.bisect,
    "attempts list": list_attempts,
    "attempts prune": prune,
}
