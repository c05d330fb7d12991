"""What `edgeproof runs from-edgeenv` and `judge-edgeenv` do: EdgeEnv's own files run here, and its verdicts."""

import contextlib
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from edgeproof.comparability.reported_judging import judge_reported
from edgeproof.core.catalogues import read_catalogue_entry
from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.formatting import format_number, plain
from edgeproof.core.layout import run_folder
from edgeproof.core.suggestions import suggest_words
from edgeproof.runs.edgeenv_files import PRESET, read_benchmark
from edgeproof.runs.reported_runs import REPORTED, CommandFailed, read_reported, report_benchmark

from .made_names import list_reported


def from_edgeenv(options: Namespace, root: Path) -> ExitCode:
    """Do `edgeproof runs from-edgeenv`: run a benchmark command under EdgeEnv's contract, or only check its two files.
    NOT_GOOD if it gave no figures.
    """
    benchmark = read_benchmark(Path(options.config), Path(options.profile))
    place = f"{run_folder(benchmark.cell)}/{REPORTED}"
    if options.check:
        checked = {"checked": [options.config, options.profile], "document": place}
        return show(options, checked, lambda: [f"{options.config} and {options.profile} are as EdgeEnv wants them"])
    try:
        document = report_benchmark(benchmark, root)
    except CommandFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return ExitCode.NOT_GOOD
    return show(options, document, lambda: [*_render_run(document), f"Document: {place}"])


def judge_edgeenv(options: Namespace, root: Path) -> ExitCode:
    """Do `edgeproof runs judge-edgeenv`: judge two reported runs. NOT_GOOD if they may not be compared, or the
    candidate is worse.
    """
    sides = [read_reported(_find(name, root), root) for name in (options.baseline, options.candidate)]
    policy = read_catalogue_entry("policy", options.policy, root)
    regression = read_catalogue_entry("regression-policy", "edgeenv-v1", root)
    judged = judge_reported(sides[0], sides[1], options.policy, policy, regression)
    show(options, judged, lambda: _render_judgement(judged))
    good = judged["verdict"] != "no" and judged["regression"] != "regression"
    return ExitCode.GOOD if good else ExitCode.NOT_GOOD


def _find(name: str, root: Path) -> Path:
    known = list_reported(root)
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there are none; edgeproof runs from-edgeenv makes one"
        raise UserError(f"{name}: no reported run has this name; {there}{suggest_words(name, known)}")
    model, device, precision = name.split("/")
    return root / f"results/runs/{model}/{PRESET}/{device}/{precision}" / REPORTED


def _render_run(document: Json) -> Iterator[str]:
    metrics = document["run"]["metrics"]
    times = ", ".join(f"{key[8:-3]} {format_number(metrics[key])} ms" for key in metrics if key.endswith("_ms"))
    yield plain(
        f"{'/'.join(document['cell'].values())}: {times}, {format_number(metrics['throughput_fps'])} per second"
    )
    with contextlib.suppress(KeyError):
        told = document["run"]["resource_metrics"]
        yield "  " + ", ".join(f"{key} {value}" for key, value in told.items())
    yield "  The command's word, once: no raw samples, so no interval."
    if not document["model_bytes"]:
        yield f"  There is no file {document['run']['model']['model_path']}; only its path identifies the model."


def _render_judgement(judged: Json) -> Iterator[str]:
    yield f"{judged['verdict']}, {judged['mode']} (policy {judged['policy']})"
    for reason in judged["reasons"]:
        remedy = f"; {reason['remedy']}" if reason["remedy"] else ""
        yield f"  {reason['field']}: {reason['left']} and {reason['right']}{remedy}"
    if judged["edgeenv"]:
        report = judged["edgeenv"]["report"]
        kind, severity = report["regression_type"], report["severity"]
        yield f"{judged['regression']}: {kind}, severity {severity}, {report['recommendation']}"
        for line in report["evidence"].get("triggered_thresholds", ()):
            yield f"  {line['name']}: {line['metric']} {line['observed']:+g} %, threshold {line['threshold']:+g} %"
