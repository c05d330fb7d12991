"""What the verbs of `edgeproof runs` and `edgeproof attempts` do: each prints for people or as JSON."""

import contextlib
import datetime
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from edgeproof.core.campaign_view import BASE
from edgeproof.core.command_line import show
from edgeproof.core.exit_codes import ExitCode

from . import kept_attempts, reasons
from .workflow_reading import read_workflow


def why(options: Namespace, root: Path) -> ExitCode:
    """Say why a document would be made again. NOT_GOOD if its key, or one above it, differs from today's."""
    given = [str(Path(path).absolute()) for path in options.configfile]
    with contextlib.chdir(root):  # configuration and code are named relative to it
        base = [] if options.replace_workflow_config and given else [BASE]
        found = reasons.explain(read_workflow([*base, *given]), options.document)
    show(options, found, lambda: reasons.render_reasons(found))
    return ExitCode.GOOD if found["status"] == "same" else ExitCode.NOT_GOOD


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
    "runs why": why,
    "attempts list": list_attempts,
    "attempts prune": prune,
}
