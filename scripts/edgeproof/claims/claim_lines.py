"""A claim as one line, for a README, a paper or a pull request, and that line read again.

    digits-cnn/ort-cpu/local/int8 takes 0.627 times as long as digits-cnn/ort-cpu/local/fp32 (0.611 to 0.643 at 95 %,
    12 pairs, measured); claim v1 model:3fa9… inputs:… …; bundle:…; signature:KEY:BASE64

All of it is on one line. A declared claim has its source instead of an interval, and what that source tells.
"""

import re
from urllib.parse import quote, unquote

from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError

from .claim_checks import require_possible
from .claim_conditions import GROUPS, require_fields

SCHEMA = "edgeproof.claim.v2"
_VERSION = "claim v1"
_CELL = r"[a-z0-9-]+/[a-z0-9-]+/[a-z0-9-]+/[a-z0-9-]+"
_NUMBER = r"[0-9.]+(?:e[+-]?[0-9]+)?"
_SUBJECT = rf"(?P<right>{_CELL}) takes (?P<value>{_NUMBER}) (?:(?P<ms>ms)|times as long as (?P<left>{_CELL}))"
_COUNT = "[0-9]{1,9}"
_BASIS = rf"(?:(?P<pairs>{_COUNT}) pairs?|(?P<sessions>{_COUNT}) sessions? on (?P<days>{_COUNT}) days?)"
_INTERVAL = rf"(?:(?P<low>{_NUMBER}) to (?P<high>{_NUMBER}) at (?P<confidence>[0-9.]+) %|no interval)"
_MEASURED = re.compile(
    rf"{_SUBJECT} \({_INTERVAL}, {_BASIS}, (?P<provenance>measured|simulated)\); {_VERSION} "
    r"(?P<digests>[a-z]+:[0-9a-f]+(?: [a-z]+:[0-9a-f]+)*)(?:; bundle:(?P<bundle>[0-9a-f]{64}))?"
)
_DECLARED = re.compile(
    rf"{_SUBJECT} \(declared by (?P<source>[^;\n]+); no interval\); {_VERSION} tells "
    r"(?P<told>nothing|\S+=\S+(?: \S+=\S+)*)"
)
_SIGNATURE = re.compile(r"; signature:(?P<key>[0-9a-f]+):(?P<value>[A-Za-z0-9+/=]+)$")


def render_line(claim: Json) -> str:
    """Return a claim's line without its signature."""
    subject = f"{claim['right']} takes {_figure(claim['value'])} "
    subject += "ms" if claim["kind"] == "latency" else f"times as long as {claim['left']}"
    if claim["provenance"] == "declared":
        told = " ".join(f"{field}={quote(value, safe='')}" for field, value in claim["told"].items()) or "nothing"
        return f"{subject} (declared by {claim['source']}; no interval); {_VERSION} tells {told}"
    interval = "no interval"
    if claim["low"] is not None:
        interval = f"{_figure(claim['low'])} to {_figure(claim['high'])} at {100 * claim['confidence']:.6g} %"
    basis = claim["basis"]
    based = _count(basis["pairs"], "pair") if basis["pairs"] else _say_sessions(basis["sessions"], basis["days"])
    digests = " ".join(f"{group}:{claim['digests'][group]}" for group in GROUPS)
    line = f"{subject} ({interval}, {based}, {claim['provenance']}); {_VERSION} {digests}"
    return line + (f"; bundle:{claim['bundle_sha256']}" if claim["bundle_sha256"] else "")


def render_signed(claim: Json) -> str:
    """Return a claim's line with its signature, if it has one."""
    signature = claim["signature"]
    return claim["line"] + (f"; signature:{signature['key']}:{signature['line']}" if signature else "")


def parse_line(text: str) -> Json:
    """Return the claim that a line is, without what only its JSON has; UserError for a line that is none."""
    text = " ".join(text.split())
    signature = _SIGNATURE.search(text)
    line = text[: signature.start()] if signature else text
    measured, declared = _MEASURED.fullmatch(line), _DECLARED.fullmatch(line)
    found = measured or declared
    if found is None:
        raise UserError(f"{text[:60]!r}…: is no claim; give the line or the JSON that `edgeproof claim` has printed")
    parts = found.groupdict()
    claim = start_claim(parts["right"], parts["left"], _number(parts["value"], text))
    if measured:
        digests = dict(item.split(":") for item in parts["digests"].split())
        if tuple(digests) != tuple(GROUPS):
            raise UserError(f"{text[:60]!r}…: has the conditions {', '.join(digests)}; a claim has {', '.join(GROUPS)}")
        claim |= {"provenance": parts["provenance"], "digests": digests, "bundle_sha256": parts["bundle"]}
        claim["basis"] = {key: None if parts[key] is None else int(parts[key]) for key in ("pairs", "sessions", "days")}
        if parts["low"] is not None:
            claim |= {"low": _number(parts["low"], text), "high": _number(parts["high"], text)}
            claim["confidence"] = round(_number(parts["confidence"], text) / 100, 12)
    else:
        told = {} if parts["told"] == "nothing" else dict(item.split("=", 1) for item in parts["told"].split())
        claim |= {"source": parts["source"], "told": {name: unquote(value) for name, value in told.items()}}
        require_fields(claim["told"])
    claim["line"] = line
    claim["signature"] = signature and {"key": signature["key"], "line": signature["value"], "document": None}
    return require_possible(validate(claim, "claim", "the claim"), "the claim")


def start_claim(right: str, left: str | None, value: float) -> Json:
    """Return a declared claim with what its line says first: how much `right` takes, of `left` or in ms."""
    return {
        "schema": SCHEMA,
        "kind": "latency" if left is None else "ratio",
        "right": right,
        "left": left,
        "value": value,
        "low": None,
        "high": None,
        "confidence": None,
        "basis": None,
        "sessions": None,
        "provenance": "declared",
        "source": None,
        "told": {},
        "conditions": None,
        "digests": None,
        "evidence_sha256": None,
        "bundle_sha256": None,
        "line": "",
        "signature": None,
    }


def _say_sessions(sessions: int, days: int) -> str:
    return f"{_count(sessions, 'session')} on {_count(days, 'day')}"


def _count(number: int, thing: str) -> str:
    """Return a count that is read again as it is, with nothing between its digits."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _figure(value: float) -> str:
    return f"{value:.6g}"


def _number(text: str, line: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise UserError(f"{line[:60]!r}…: {text!r} is no number") from error
    if not 0 < value < float("inf"):
        raise UserError(f"{line[:60]!r}…: {text!r} is no positive number")
    return value
