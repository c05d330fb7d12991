"""`edgeproof replicate`: measure what somebody claims, as `edgeproof compare` would, and answer the claim.

A ratio is measured in steps, since the interval of a comparison holds wherever it stops: after each step the claim is
judged, and pairs go on while the interval is too wide. A comparison stops by itself when it has its verdict. So that it
does not stop before the claim is answered, its margin is the claimed ratio at first, then the one that was found.
"""

import argparse
import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

from edgeproof.claims.claim_conditions import find_protocol
from edgeproof.claims.claim_documents import check_signature, claim_comparison, claim_result, read_claim
from edgeproof.claims.claim_lines import render_signed
from edgeproof.claims.replication import judge_replication
from edgeproof.claims.replication_texts import render_answer
from edgeproof.comparability.reading import read_comparison
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import Cell, run_folder

from .comparing import run_campaign
from .quick_campaigns import Question, write_campaign, write_cell_campaign

_STEPS = (12, 24, 40, 60)  # pairs after which the claim is judged
_MARGINS = (0.001, 9.0)  # what a comparison takes
_DECIDED = ("faster", "slower", "equivalent")
_CODES = {"replicated": ExitCode.GOOD, "not replicated": ExitCode.NOT_GOOD, "cannot say": ExitCode.NOT_PROVED}


def replicate_claim(options: argparse.Namespace, root: Path) -> ExitCode:
    """Do `edgeproof replicate`: measure what a claim says, answer it, and return what the answer means for a script."""
    claim = read_claim(options.claim)
    signer = check_signature(claim, options.keys) if options.keys else None
    known = read_catalogue("device", root / "config")
    device = options.device or (options.profile if options.profile in known else "local")
    found = (_replicate_ratio if claim["kind"] == "ratio" else _replicate_latency)(claim, device, options, root)
    if isinstance(found, ExitCode):
        return found
    own, further = found
    answer = judge_replication(claim, own, options.margin)
    answer |= {"signed_by": signer, "own_line": render_signed(own), "further": further}

    def tell() -> Iterator[str]:
        yield from render_answer(answer, further if answer["answer"] == "cannot say" else None)
        yield f"  signed with the key {signer}" if signer else "  not signed by a key that you trust"

    show(options, answer, tell)
    return _CODES[answer["answer"]]


def _choose_margin(ratio: float) -> float:
    """Return the margin at which a comparison stays open for as long as it cannot tell its ratio from this one."""
    margin = math.expm1(abs(math.log(ratio)))
    return min(max(round(margin, 6), _MARGINS[0]), _MARGINS[1])


def _replicate_latency(
    claim: Json, device: str, options: argparse.Namespace, root: Path
) -> tuple[Json, str | None] | ExitCode:
    """Measure the cell of a claimed latency; return (own claim, what adds a session)."""
    cell = _move(claim["right"], device)
    protocols = read_catalogue("protocol", root / "config")
    digest = claim["digests"] and claim["digests"]["protocol"]
    protocol = options.protocol or (digest and find_protocol(digest, protocols)) or "quick"
    campaign = write_cell_campaign(cell, protocol, root)
    result = f"{run_folder(cell)}/result.json"
    run = run_campaign(campaign, [result], options, root)
    if isinstance(run, ExitCode):
        return run
    with contextlib.chdir(root):  # documents name their files from here
        own = claim_result(result)
    again = f"edgeproof runs again {cell} --configfile {campaign.file} --replace-workflow-config"
    return own, f"Another session, best on another day: {again}; then ask again."


def _replicate_ratio(
    claim: Json, device: str, options: argparse.Namespace, root: Path
) -> tuple[Json, str | None] | ExitCode:
    """Measure pairs of the two cells of a claimed ratio until the claim is answered or the time is over; return (own
    claim, what measures more).
    """
    own, spent, used, decided = None, 0.0, 0.0, False
    for pairs in _STEPS:
        margin = _choose_margin(own["value"] if own and decided else claim["value"])
        within = options.within - used + (spent if decided else 0.0)  # a campaign of its own counts from the beginning
        campaign = write_campaign(_ask(claim, device, options, margin, within), root, pairs)
        run = run_campaign(campaign, [f"{campaign.folder}/report.json"], options, root)
        if isinstance(run, ExitCode):
            return run
        path = f"{campaign.folder}/report.json"
        with contextlib.chdir(root):  # documents name their files from here
            report = read_comparison(path)
            if report["effect"] is None or report["effect"]["interval_low"] is None:
                raise UserError(f"{path}: {report['explanation'] or 'too few pairs; give it more time'}")
            own = claim_comparison(path)
        used, spent = used + run.seconds.get("measure_pairs", 0.0), report["seconds"]
        decided = decided or report["verdict"] in _DECIDED
        answer = judge_replication(claim, own, options.margin)
        if answer["because"] != ["width"] or used >= options.within or report["pairs"] >= _STEPS[-1]:
            break
    assert own is not None
    more = None
    if own["basis"]["pairs"] < _STEPS[-1]:
        more = f"More pairs may tell: the same command with --within {math.ceil(2 * options.within)}s."
    return own, more


def _ask(claim: Json, device: str, options: argparse.Namespace, margin: float, within: float) -> Question:
    """Return the question that measures a claimed ratio on a device of this machine."""
    return Question(
        left=str(_move(claim["left"], device)),
        right=str(_move(claim["right"], device)),
        device=device,
        preset=None,
        precision=None,
        like=None,
        protocol=options.protocol,
        varies=(),
        waive=(),
        within=within,
        margin=margin,
        profile=None,
    )


def _move(cell: str, device: str) -> Cell:
    """Return a claimed cell on a device of this machine."""
    model, preset, _, precision = cell.split("/")
    return Cell(model, preset, device, precision)
