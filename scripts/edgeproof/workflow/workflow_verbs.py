"""What the verbs of `edgeproof runs` and `edgeproof attempts` do: each prints for people or as JSON."""

import contextlib
import datetime
import shlex
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from edgeproof.core.campaign_view import BASE
from edgeproof.core.catalogues import read_catalogue_entry
from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode

from . import another_session, kept_attempts, reasons, session_history
from .edgeenv_verbs import from_edgeenv, judge_edgeenv
from .workflow_reading import Reading, read_workflow

_STANDARD_ERROR = 2  # its descriptor


def again(options: Namespace, root: Path) -> ExitCode:
    """Do `edgeproof runs again`: leave the wish for one more session and start Snakemake, unless `--later`. NOT_GOOD
    where that fails.
    """
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
    """Do `edgeproof runs why`: say why a document is made again. NOT_GOOD if its key, or one above, is not today's."""
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


def sample(options: Namespace, root: Path) -> ExitCode:
    """Do `edgeproof runs sample`: run samplers around a command and print what they gave.

    NOT_GOOD if the command fails, NOT_PROVED if no sampler gave a sample.
    """
    from edgeproof.runs.sampled_command import render_sampled, sample_command  # numpy, which the other verbs do without

    samplers = _choose_samplers(options, root)
    with contextlib.ExitStack() as stack:
        keep = options.keep and Path(options.keep)
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgeproof-sample-")))
        output = _STANDARD_ERROR if options.json else None  # standard output is the document's
        found = sample_command(options.words, samplers, options.idle, folder, output)
    show(options, found, lambda: render_sampled(found))
    if found["exit_code"] != 0:
        return ExitCode.NOT_GOOD
    return ExitCode.GOOD if any(sampler["samples"] for sampler in found["samplers"]) else ExitCode.NOT_PROVED


def _choose_samplers(options: Namespace, root: Path) -> list[Json]:
    """Return the samplers that a call asks for: those named, or those of a device."""
    if options.device:
        device = read_catalogue_entry("device", options.device, root)
        chosen = device.get("samplers", [])
    else:
        chosen = [{"name": name} for name in options.sampler]
    if not chosen:
        raise UserError("edgeproof runs sample: name a --sampler, or a --device that has `samplers`")
    own = {"interval_ms": options.interval_ms, "boundary": options.boundary, "root": options.root, "file": options.file}
    changes = {key: value for key, value in own.items() if value is not None}
    changes |= {"command": shlex.split(options.tool)} if options.tool else {}
    entries = [{**entry, **changes} for entry in chosen]
    document = {"description": "a call", "board": "this machine", "transport": "local", "samplers": entries}
    validate(document, "device", "edgeproof runs sample")
    return entries


def list_attempts(options: Namespace, root: Path) -> ExitCode:
    """Do `edgeproof attempts list`: print the kept attempts, by target."""
    documents = [kept_attempts.describe(item, root) for item in kept_attempts.list_kept(root, options.target)]
    return show(options, {"attempts": documents}, lambda: kept_attempts.render_kept(documents))


def prune(options: Namespace, root: Path) -> ExitCode:
    """Do `edgeproof attempts prune`: remove those attempts that nothing rests on, or say which those are.

    A store in which a run works is left alone.
    """
    now = datetime.datetime.now(datetime.UTC)

    def choose() -> list[kept_attempts.Kept]:
        kept = kept_attempts.list_kept(root, options.target)
        busy.update(str(item.attempt.folder.parent.parent.relative_to(root)) for item in kept if item.in_use)
        return kept_attempts.choose_prunable(kept, options.older_than, options.failed, now)

    busy = set[str]()
    chosen = choose()
    if options.yes:
        chosen = kept_attempts.remove(chosen, lambda: {str(item.attempt.folder) for item in choose()})
    documents = [kept_attempts.describe(item, root) for item in chosen]
    last = "removed" if options.yes else "nothing was removed; --yes removes them"
    outcome = {"removed": options.yes, "attempts": documents, "left_alone": sorted(busy)}
    left = [f"{place}: left alone, a run works there" for place in sorted(busy)]
    return show(options, outcome, lambda: [*kept_attempts.render_kept(documents), *left, last])


RUN: dict[str, Callable[[Namespace, Path], ExitCode]] = {
    "runs from-edgeenv": from_edgeenv,
    "runs judge-edgeenv": judge_edgeenv,
    "runs again": again,
    "runs sample": sample,
    "runs why": why,
    "runs history": session_history.tell_history,
    "runs bisect": session_history.bisect,
    "attempts list": list_attempts,
    "attempts prune": prune,
}
