"""Run a comparison from the shell, tell how its verdict narrows, and say at the end what it is and what it cost."""

import argparse
import contextlib
import json
import math
import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.comparability.accuracy_sentences import describe_accuracy
from edgeproof.comparability.field_views import FieldReason
from edgeproof.comparability.measured_pairs import ESTIMATES
from edgeproof.comparability.reading import read_comparison
from edgeproof.comparability.sentences import (
    describe_estimate,
    describe_reason,
    describe_remedy,
    describe_verdict,
    name_sides,
)
from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.formatting import plain, plural
from edgeproof.core.layout import Cell, artifact_folder, evidence_folder, run_folder
from edgeproof.evidence.gate import is_parity_fine
from edgeproof.runs.results import read_result

from .quick_campaigns import QuickCampaign, read_question, write_campaign
from .running import SnakemakeRun
from .spending import count_kept_pairs, describe_spending, list_attempts, sum_spending
from .varied_fields import OPTIONAL_VARIES

_CODES = {
    "undecided": ExitCode.NOT_PROVED,
    "waived": ExitCode.NOT_PROVED,
    "not-comparable": ExitCode.NOT_GOOD,
    "failed": ExitCode.NOT_GOOD,
}
_WIDTH = 110
_DECLARED = re.compile(r"declare `varies: \[(\w+)\]`")


class Told:
    """What is said while it runs: one line that is written over on a terminal, else a line each."""

    def __init__(self, stream: TextIO, quiet: bool) -> None:
        self._stream, self._quiet = stream, quiet
        self._over, self._last = stream.isatty(), ""

    def say(self, text: str) -> None:
        """Say how far it is."""
        if self._quiet or text == self._last:
            return
        self._last = text
        if self._over:
            self._stream.write(f"\r\x1b[K{text[:_WIDTH]}")
        else:
            self._stream.write(f"{text}\n")
        self._stream.flush()

    def end(self) -> None:
        """Clear the line that is written over."""
        if self._over and self._last:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def compare(options: argparse.Namespace, root: Path) -> ExitCode:
    """Run a comparison of two sides from the shell, print the verdict, and return what it means for a script."""
    campaign = write_campaign(read_question(options), root, foresee=True)
    for note in campaign.notes:
        print(note, file=sys.stderr)
    if campaign.refusals:
        return _refuse(campaign, options)
    before = list_attempts(root)
    run = run_campaign(campaign, ["comparability", "evidence"], options, root)
    if isinstance(run, ExitCode):
        return run
    with contextlib.chdir(root):  # documents name their files from here
        report = read_comparison(f"{campaign.folder}/report.json")
        parity = read_both_parities(campaign)
    document = describe_end(report, parity, campaign, run.seconds, list_attempts(root) - before)
    show(options, document, lambda: render_end(report, document))
    wrong = any(not side["fine"] for side in parity.values())
    return ExitCode.NOT_GOOD if wrong else _CODES.get(report["verdict"], ExitCode.GOOD)


def _refuse(campaign: QuickCampaign, options: argparse.Namespace) -> ExitCode:
    """Say why two sides may not be compared, before anything is built, and return NOT_GOOD."""
    left, right = name_sides(campaign.cells[0]._asdict(), campaign.cells[1]._asdict())
    reasons = [*map(_advise_options, campaign.refusals)]
    fields = ", ".join(reason["field"].replace("_", " ") for reason in reasons)
    document = {
        "verdict": "not-comparable",
        "sentence": f"Not comparable: {left} and {right} differ in {fields}.",
        "reasons": reasons,
        "left": str(campaign.cells[0]),
        "right": str(campaign.cells[1]),
        "pairs": 0,
    }
    told = [document["sentence"], *map(_render_difference, reasons), "Nothing was built: their files say so."]
    show(options, document, lambda: told)
    return ExitCode.NOT_GOOD


def _advise_options(reason: FieldReason) -> FieldReason:
    """Return a difference whose remedy names what to give on the command line in place of a campaign's key."""
    remedy = reason["remedy"]
    if remedy is None:
        return reason
    told = _DECLARED.sub(
        lambda match: f"give `--varies {match[1]}`" if match[1] in OPTIONAL_VARIES else match[0], remedy
    )
    return {**reason, "remedy": told}


def _render_difference(reason: FieldReason) -> str:
    return f"  {reason['field']}: {reason['left']} and {reason['right']}; {reason['remedy']}"


def read_both_parities(campaign: QuickCampaign) -> Json:
    """Return, for a comparison from the shell, whether the outputs of both artifacts agree: {left, right: {status,
    reason, fine}}.

    Each is held against its own source. The working directory is the root. `fine`: as the gate judges it.
    """
    wanted = read_json(f"{evidence_folder(campaign.name)}/wanted.json", "wanted")
    builders = {Cell(*names): builder for *names, builder in wanted["campaign"]["cells"]}
    found: Json = {}
    for side, cell in zip(("left", "right"), campaign.cells, strict=True):
        folder = artifact_folder(cell.model, cell.preset, builders[cell], cell.precision)
        parity, result = read_parity_record(f"{folder}/parity.json"), read_result(f"{run_folder(cell)}/result.json")
        reason = parity["reason"] and parity["reason"]["message"]
        found[side] = {"status": parity["status"], "reason": reason, "fine": is_parity_fine(result, parity)}
    return found


def run_campaign(
    campaign: QuickCampaign, targets: Sequence[str], options: argparse.Namespace, root: Path
) -> SnakemakeRun | ExitCode:
    """While comparing from the shell, have Snakemake make the campaign's targets, and tell in a line how far it is.

    Return its run, or the exit code where it failed or was interrupted, which has been said then. `options`: with
    `profile` and `verbose`.
    """
    told = Told(sys.stderr, options.verbose)
    arguments = ["--profile", options.profile, "--replace-workflow-config", "--configfile", campaign.file]
    run = SnakemakeRun([*arguments, "--", *targets], root, options.verbose)
    try:
        _follow(run, campaign, root, told)
        code = run.wait()
    except KeyboardInterrupt:
        run.interrupt()
        told.end()
        kept = plural(_count_kept(campaign, root), "pair")
        print(f"Interrupted: {kept} kept; the same command continues.", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BaseException:
        run.interrupt()
        raise
    finally:
        told.end()
    if code != 0:
        for line in run.told or ["error: Snakemake failed; --verbose shows what it said"]:
            print(line, file=sys.stderr)
        return ExitCode.MISTAKE if any(line.startswith("error: ") for line in run.told) else ExitCode.NOT_GOOD
    return run


def describe_end(
    report: Json, parity: Json, campaign: QuickCampaign, seconds: Mapping[str, float], made: Collection[str]
) -> Json:
    """Return what a comparison from the shell has found and what it cost, as `--json` prints it.

    `parity`: of `read_both_parities`. `seconds`: of this run, by rule and in all. `made`: the attempts that it added.
    """
    return {
        "verdict": report["verdict"],
        "sentence": plain(describe_verdict(report)),
        "reason": report["reason"],
        "reasons": [*map(_advise_options, report["reasons"])],
        "left": str(campaign.cells[0]),
        "right": str(campaign.cells[1]),
        "parity": parity,
        "accuracy": (told := describe_accuracy(report)) and plain(told),
        "effect": report["effect"],
        "pairs": report["pairs"],
        "further_pairs": report["further_pairs"],
        "further_seconds": report["further_seconds"],
        "pairs_kept": count_kept_pairs(report, made),
        "seconds": sum_spending(seconds, made),
        "report": f"{campaign.folder}/report.md",
        "page": campaign.page,
        "campaign": campaign.file,
    }


def render_end(report: Json, document: Json) -> Iterator[str]:
    """Yield the lines that people read at the end of a comparison from the shell."""
    yield document["sentence"]
    names = name_sides(report["left"], report["right"])
    for side, name in zip(("left", "right"), names, strict=True):
        found = document["parity"][side]
        if not found["fine"] and (side == "left" or found != document["parity"]["left"]):
            yield f"But the outputs of {name} are not right: parity {_name_parity(found)}"
    if accuracy := document["accuracy"]:
        yield accuracy
    if reason := describe_reason(report):
        yield plain(reason)
    yield from (_render_difference(reason) for reason in document["reasons"] if reason["remedy"])
    if report["further_pairs"] and report["further_seconds"]:
        seconds, ask = report["further_seconds"], math.ceil(1.2 * report["further_seconds"])
        more = f"About {report['further_pairs']} further pairs ({seconds:.0f} s)"
        yield f"{more} would probably decide; those so far are kept."
        yield f"Continue: the same command with --within {ask}s."
    elif remedy := describe_remedy(report):
        yield plain(remedy)
    yield describe_spending(document["seconds"], document["pairs_kept"])
    yield f"Evidence: {document['page']}"


def _name_parity(found: Json) -> str:
    """Return "failed: why", in words."""
    return f"{found['status'].replace('_', ' ')}: {found['reason']}"


def _follow(run: SnakemakeRun, campaign: QuickCampaign, root: Path, told: Told) -> None:
    """Say what happens until Snakemake ends."""
    seen = {path for path, _ in _list_estimates(campaign, root)}  # of earlier calls
    counts: dict[Path, int] = {}
    for message in run.follow():
        if message and not counts:  # what follows the last pair takes a second or two
            told.say(message)
        for path, lines in _list_estimates(campaign, root):
            if path in seen:
                continue
            for line in lines[counts.get(path, 0) :]:
                told.say(_describe_line(line, campaign))
            counts[path] = max(counts.get(path, 0), len(lines))


def _list_estimates(campaign: QuickCampaign, root: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield (name of the session's attempt, its whole lines); an attempt's folder is renamed when it is over."""
    for path in sorted((root / campaign.folder).glob(f"attempts/*/{ESTIMATES}")) + sorted(
        (root / campaign.folder).glob(f"attempts/.*/{ESTIMATES}")
    ):
        name = Path(path.parent.name.removeprefix(".").removesuffix(".part"))
        with contextlib.suppress(OSError):
            yield name, [line for line in path.read_text().split("\n")[:-1] if line]


def _describe_line(text: str, campaign: QuickCampaign) -> str:
    line = json.loads(text)
    left, right = name_sides(campaign.cells[0]._asdict(), campaign.cells[1]._asdict())
    return plain(describe_estimate(left, right, line))


def _count_kept(campaign: QuickCampaign, root: Path) -> int:
    """Return how many whole pairs the attempts of a comparison hold."""
    folder = root / campaign.folder / "attempts"
    names = os.listdir(folder) if folder.is_dir() else []
    return sum(len(list((folder / name / "session").glob("pair-*/pair.json"))) for name in names)
