"""What any claim has to keep to, whoever wrote it: figures that can be, and figures that follow from one another.

A claim comes from somebody else. Its line is made of a few figures, its JSON tells sessions, too; where one follows
from the other, it is computed again.
"""

import math

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.statistics import geometric_mean_interval
from edgeproof.core.two_devices import FEWEST_SESSIONS

_INTERVAL = ("low", "high", "confidence")
_OF_MEASURED = ("basis", "digests")
_OF_DOCUMENT = ("sessions", "conditions", "evidence_sha256", "bundle_sha256")
_RELATIVE = 1e-9  # more than the mean of logarithms is rounded


def require_possible(claim: Json, where: str) -> Json:
    """Check that a claim's figures can be, and return it; UserError for one that no measurement gives."""
    for text in (claim["source"] or "", *claim["told"].values()):
        if not text.isprintable():
            raise UserError(f"{where}: holds characters that nobody sees, {text[:60]!r}")
    if claim["kind"] != ("latency" if claim["left"] is None else "ratio"):
        raise UserError(f"{where}: kind is {claim['kind']!r}, and left is {claim['left']!r}")
    if claim["provenance"] == "declared":
        if told := [key for key in (*_INTERVAL, *_OF_MEASURED, *_OF_DOCUMENT) if claim[key] is not None]:
            raise UserError(f"{where}: {told[0]} is told, and a declared number has none")
        if claim["source"] is None:
            raise UserError(f"{where}: source is missing; a declared number has one")
        return claim
    if claim["source"] is not None or claim["told"]:
        raise UserError(f"{where}: source or told is given; only a declared number has them")
    if missing := [key for key in _OF_MEASURED if claim[key] is None]:
        raise UserError(f"{where}: {missing[0]} is missing; every measured number has it")
    _require_interval(claim, where)
    _require_basis(claim, where)
    return claim


def require_sessions(claim: Json, where: str) -> None:
    """Check a claim of a latency: UserError unless its figures are those of the sessions that its JSON tells.

    The figures are number, interval and basis.
    """
    sessions = claim["sessions"]
    if sessions is None:
        return
    if claim["kind"] == "ratio":
        raise UserError(f"{where}: tells sessions, and a ratio is measured by pairs")
    told = {"sessions": len(sessions), "days": len({session["day"] for session in sessions}), "pairs": None}
    if claim["basis"] != told:
        raise UserError(f"{where}: basis is not that of its {len(sessions)} sessions; the claim was changed")
    again = geometric_mean_interval([session["mean_ms"] for session in sessions], claim["confidence"] or 0.95)
    expected: dict[str, float | None] = {"value": again.estimate}
    if len(sessions) >= FEWEST_SESSIONS:
        expected |= {"low": again.low, "high": again.high}
    elif len(sessions) > 1:
        expected |= {"low": None, "high": None}
    for key, value in expected.items():
        found = claim[key]
        same = found is None if value is None else found is not None and math.isclose(found, value, rel_tol=_RELATIVE)
        if not same:
            raise UserError(f"{where}: {key} is {found}, and its sessions give {value}; the claim was changed")


def _require_interval(claim: Json, where: str) -> None:
    ends = [claim[key] is None for key in _INTERVAL]
    if any(ends):
        if not all(ends):
            raise UserError(f"{where}: tells {' and '.join(k for k in _INTERVAL if claim[k] is not None)} alone")
        return
    if not claim["low"] <= claim["value"] <= claim["high"]:
        interval = f"{claim['low']:.6g} to {claim['high']:.6g}"
        raise UserError(f"{where}: the interval {interval} does not hold the number {claim['value']:.6g}")


def _require_basis(claim: Json, where: str) -> None:
    pairs, sessions, days = (claim["basis"][key] for key in ("pairs", "sessions", "days"))
    if claim["kind"] == "ratio":
        if pairs is None or sessions is not None or days is not None:
            raise UserError(f"{where}: a ratio is measured by pairs, and by nothing else")
    elif pairs is not None or sessions is None or days is None:
        raise UserError(f"{where}: a latency is measured in sessions, on days")
    elif days > sessions:
        raise UserError(f"{where}: {sessions} sessions cannot be on {days} days")
