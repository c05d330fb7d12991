"""`edgeproof evidence report`: a campaign judged again from its files, said in a terminal or to a forge."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.comparability.reading import read_comparison
from edgeproof.comparability.sentences import describe_grounds, describe_reason
from edgeproof.core.closing import compose_closing
from edgeproof.core.command_line import show
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import atomic_write
from edgeproof.core.formatting import plain
from edgeproof.core.layout import comparison_folder, evidence_folder
from edgeproof.core.suggestions import suggest_words

from .ci_reports import render_annotations, render_comment, render_junit
from .gate import judge_campaign
from .gate_words import explain_gate, list_verdicts, say_verdict
from .judged_campaign import JudgedCampaign, name_entry
from .stale import find_stale
from .wanted import settings_of

_MOST = 25  # lines in a terminal
_RENDERERS: dict[str, Callable[[JudgedCampaign], str]] = {
    "markdown": render_comment,
    "junit": render_junit,
    "annotations": render_annotations,
}
_RED, _GREEN, _BOLD, _PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[1m", "\x1b[0m"


def report_campaign(campaign: str, options: argparse.Namespace) -> ExitCode:
    """Do `edgeproof evidence report`: print or write the report of a campaign in the format asked for.

    NOT_GOOD where its gate does not pass.
    """
    wanted = read_json(f"{evidence_folder(campaign)}/wanted.json", "wanted")
    if options.comparison:
        return _report_comparison(campaign, wanted["campaign"]["comparisons"], options)
    judged = judge_campaign(wanted["campaign"], wanted["tolerate"], settings_of(wanted), find_stale(wanted))
    if options.output:
        text = "\n".join(_list_lines(judged)) + "\n" if options.format == "text" else _RENDERERS[options.format](judged)
        atomic_write(Path(options.output), text)
    elif options.format == "text":
        show(options, _describe(judged), lambda: _colour(_list_lines(judged)))
    else:
        show(options, _describe(judged), lambda: [_RENDERERS[options.format](judged).rstrip("\n")])
    return ExitCode.GOOD if judged.passed else ExitCode.NOT_GOOD


def _report_comparison(campaign: str, known: Sequence[str], options: argparse.Namespace) -> ExitCode:
    """Print one comparison of a campaign, computed again from its pairs; NOT_PROVED where it is not decided."""
    name = options.comparison
    if name not in known:
        raise UserError(f"{campaign}: it has no comparison {name}{suggest_words(name, known)}")
    report = read_comparison(f"{comparison_folder(campaign, name)}/report.json")
    told = [say_verdict(report), *map(plain, filter(None, [describe_reason(report), *describe_grounds(report)]))]
    show(options, report, lambda: told)
    return ExitCode.GOOD if report["verdict"] in ("faster", "slower", "equivalent") else ExitCode.NOT_PROVED


def _list_lines(judged: JudgedCampaign) -> list[str]:
    return compose_closing("\n\n".join(explain_gate(judged)), [], _MOST)


def _describe(judged: JudgedCampaign) -> dict[str, object]:
    return {
        "campaign": judged.campaign,
        "passed": judged.passed,
        "comparisons": dict(list_verdicts(judged, len(judged.comparisons))),
        "entries": [{"name": name_entry(entry), **entry} for entry in judged.entries],
        "stale": [str(item) for item in judged.stale],
    }


def _colour(lines: list[str]) -> list[str]:
    """Return lines with colours where they go to a terminal that wants some (https://no-color.org)."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return lines
    return [_colour_line(line) for line in lines]


def _colour_line(line: str) -> str:
    if line.startswith("GATE NOT PASSED"):
        return f"{_BOLD}{_RED}{line}{_PLAIN}"
    if line.startswith("Gate of campaign"):
        return f"{_BOLD}{_GREEN}{line}{_PLAIN}"
    return re.sub(r"^([^\s:]+:)", rf"{_BOLD}\1{_PLAIN}", line)
