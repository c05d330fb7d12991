"""What `edgeproof claim` does: find what is claimed, make the claim, print its line."""

import contextlib
import re
from argparse import Namespace
from pathlib import Path

from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import is_file
from edgeproof.core.layout import Cell, comparison_folder, evidence_folder, run_folder

from .claim_documents import claim_comparison, claim_result, declare_claim, sign_claim
from .claim_lines import render_signed

_CELL = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+){3}")


def print_claim(options: Namespace, root: Path) -> ExitCode:
    """Do `edgeproof claim`: print the claim that the options ask for."""
    claim = _declare(options) if options.declare else _measure(options, root)
    if options.key:
        claim = sign_claim(claim, options.key)
    return show(options, claim, lambda: [render_signed(claim)])


def _measure(options: Namespace, root: Path) -> Json:
    if options.source or options.told or options.against:
        raise UserError("--source, --told and --against go with --declare")
    bundle = Path(options.bundle).resolve() if options.bundle else None
    with contextlib.chdir(root):  # documents name their files from here
        path, campaign = _find_evidence(options.target)
        if path.name == "report.json":
            return claim_comparison(path, bundle or _find_bundle(campaign))
        return claim_result(path, bundle)


def _declare(options: Namespace) -> Json:
    if not options.source:
        raise UserError("--declare: name where the number was published: --source TEXT")
    if options.bundle:
        raise UserError("--bundle: a declared number has no evidence")
    for cell in filter(None, (options.target, options.against)):
        if not _CELL.fullmatch(cell):
            raise UserError(f"{cell}: say what was measured as MODEL/PRESET/DEVICE/PRECISION")
    try:
        value = float(options.declare)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UserError(f"--declare {options.declare}: is no positive number")
    told = [item.partition("=") for item in options.told]
    if wrong := next((item[0] for item in told if not item[1] or not item[2]), None):
        raise UserError(f"--told {wrong}: write FIELD=VALUE")
    return declare_claim(options.target, options.against, value, options.source, {item[0]: item[2] for item in told})


def _find_evidence(target: str) -> tuple[Path, str | None]:
    """Return (result.json or report.json, campaign of a report) for what is claimed; UserError where there is none."""
    parts = target.strip("/").removeprefix("results/").split("/")
    named = [part for part in parts if part not in ("result.json", "report.json", "report.md")]
    if named[0] in ("runs", "comparability"):
        named = named[1:]
    if len(named) == len(Cell._fields):
        path, campaign = Path(f"{run_folder(Cell(*named))}/result.json"), None
    elif len(named) == 2:
        path, campaign = Path(f"{comparison_folder(*named)}/report.json"), named[0]
    else:
        raise UserError(f"{target}: claim a cell, MODEL/PRESET/DEVICE/PRECISION, or CAMPAIGN/COMPARISON")
    if not is_file(path):
        raise UserError(f"{target}: there is no {path}; the workflow makes it, or `edgeproof compare`")
    return path, campaign


def _find_bundle(campaign: str | None) -> Path | None:
    """Return the bundle of the campaign of a comparison if it was packed."""
    path = Path(f"{evidence_folder(campaign or '')}/bundle.zip")
    return path if campaign and is_file(path) else None
