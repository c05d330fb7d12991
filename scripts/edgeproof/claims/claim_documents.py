"""Claims: made of a result, of a comparison or of a number that somebody else has published, and read again."""

import json
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from edgeproof.bundles.signing import check_text, name_key, sign_text
from edgeproof.bundles.signing_keys import read_private_key
from edgeproof.bundles.unpacking import open_bundle
from edgeproof.comparability.reading import read_comparison
from edgeproof.comparability.side_files import folder_of_run
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, read_text, validate
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.layout import Cell
from edgeproof.runs.results import read_result

from .claim_checks import require_possible, require_sessions
from .claim_conditions import digest_conditions, read_conditions, require_fields
from .claim_lines import parse_line, render_line, start_claim


def claim_result(path: FilePath, bundle: FilePath | None = None) -> Json:
    """Return the claim document of a result's latency, recomputed from raw samples; UserError for a run without one.

    `bundle`: a bundle that holds this result.
    """
    result = read_result(path)
    if result["status"] != "ok" or result["latency"] is None:
        raise UserError(f"{path}: status is {result['status']!r}; only a run that went well has a number to claim")
    latency = result["latency"]
    sessions = [
        {"mean_ms": session["latency"]["median_ms"], "day": _day_of(session["started_at_unix_s"])}
        for session in result["sessions"]
    ]
    claim = start_claim(_name_cell(result["cell"]), None, latency["median_ms"])
    claim |= {
        "low": latency["interval_low_ms"],
        "high": latency["interval_high_ms"],
        "confidence": None if latency["interval_low_ms"] is None else latency["confidence"],
        "basis": {
            "pairs": None,
            "sessions": len(sessions),
            "days": len({session["day"] for session in sessions}),
        },
        "sessions": sessions,
        "provenance": result["provenance"],
        "conditions": {"left": None, "right": read_conditions(result)},
    }
    return _finish(claim, path, bundle)


def claim_comparison(path: FilePath, bundle: FilePath | None = None) -> Json:
    """Return the claim document of a comparison's ratio, recomputed from its pairs; UserError without an interval.

    `path`: report.json. `bundle`: a bundle that holds it.
    """
    report = read_comparison(path)
    effect = report["effect"]
    if effect is None or effect["interval_low"] is None:
        why = "compares two devices; claim the result of each" if report["between_sessions"] else "has no interval yet"
        raise UserError(f"{path}: {why}")
    if report["per"] == "item":
        raise UserError(f"{path}: compares times per item of two batch sizes; claim the result of each")
    views = {side: read_conditions(read_result(f"{folder_of_run(report[side])}/result.json")) for side in _SIDES}
    claim = start_claim(_name_cell(report["right"]), _name_cell(report["left"]), effect["ratio"])
    claim |= {
        "low": effect["interval_low"],
        "high": effect["interval_high"],
        "confidence": effect["confidence"],
        "basis": {"pairs": effect["pairs"], "sessions": None, "days": None},
        "provenance": report["provenance"],
        "conditions": views,
    }
    return _finish(claim, path, bundle)


def declare_claim(right: str, left: str | None, value: float, source: str, told: Mapping[str, str]) -> Json:
    """Return the claim document of a number published elsewhere: no interval, and the conditions that its source tells.

    `right`, `left`: cells that stand for what was measured there; `value`: ms, or right / left. UserError for a
    condition that there is not.
    """
    require_fields(dict(told))
    if ";" in source or not source.isprintable() or not source.strip():
        raise UserError(f"{source!r}: name the source in one line without a semicolon")
    claim = start_claim(right, left, value) | {"source": source.strip(), "told": dict(told)}
    claim["line"] = render_line(claim)
    return require_possible(validate(claim, "claim", "the claim"), "the claim")


def sign_claim(claim: Json, key: FilePath) -> Json:
    """Return a claim document signed with a private key: its line, which may go alone, and all of its JSON."""
    signer = read_private_key(key)
    signatures = {"line": sign_text(signer, _LINE, claim["line"])}
    signatures["document"] = sign_text(signer, _DOCUMENT, _text_of(claim))
    return {**claim, "signature": {"key": name_key(signer), **signatures}}


def check_signature(claim: Json, keys: FilePath) -> str:
    """Return the name of the key in `keys` that has signed a claim's whole document; UserError where none has."""
    signature = claim["signature"]
    if signature is None:
        raise UserError("the claim is not signed; --keys asks for a signature")
    signer = check_text(Path(keys), _LINE, claim["line"], signature["key"], signature["line"])
    if signature["document"] is not None:  # it was read as JSON
        check_text(Path(keys), _DOCUMENT, _text_of(claim), signature["key"], signature["document"])
    return signer


def read_claim(text: str) -> Json:
    """Return the claim document that a text means: a line, the path of a file with a line or JSON, or `-` (stdin).

    UserError for what is none, and where the figures or conditions of a claim's JSON are not those of its line.
    """
    content, where = text, "the claim"
    if text == "-":
        content = sys.stdin.read()
    elif " takes " not in text:
        content, where = read_text(text), text
    if not content.lstrip().startswith("{"):
        lines = [line for line in content.splitlines() if line.strip()]
        if len(lines) != 1:
            raise UserError(f"{where}: holds {len(lines)} lines; give one claim")
        return parse_line(lines[0])
    return _require_line(_parse_json(content, where), where)


def _parse_json(content: str, where: str) -> Json:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "claim.json")
        path.write_text(content, encoding="utf-8")
        try:
            return read_json(path, "claim")
        except UserError as error:
            raise UserError(str(error).replace(str(path), where)) from error


def _text_of(claim: Json) -> str:
    """Return what is signed of a claim's JSON: all but the signature."""
    return json.dumps({**claim, "signature": None}, sort_keys=True, separators=(",", ":"))


def _require_line(claim: Json, where: str) -> Json:
    require_possible(claim, where)
    require_sessions(claim, where)
    digests = claim["conditions"] and digest_conditions(claim["conditions"])
    if claim["conditions"] and digests != claim["digests"]:
        group = next(name for name in digests if digests[name] != claim["digests"][name])
        raise UserError(f"{where}: digests.{group} is not that of its conditions; the claim was changed")
    if render_line(claim) != claim["line"]:
        raise UserError(f"{where}: its figures are not those of its line; the claim was changed")
    if claim["signature"] and claim["signature"]["document"] is None:
        raise UserError(f"{where}: only its line is signed; give the line, or ask for the JSON as it was printed")
    return claim


def _finish(claim: Json, path: FilePath, bundle: FilePath | None) -> Json:
    claim["digests"] = digest_conditions(claim["conditions"])
    claim["evidence_sha256"] = sha256_file(path)
    claim["bundle_sha256"] = None if bundle is None else _digest_bundle(bundle, claim["evidence_sha256"])
    claim["line"] = render_line(claim)
    return require_possible(validate(claim, "claim", "the claim"), "the claim")


def _digest_bundle(bundle: FilePath, evidence: str) -> str:
    """Return the digest of a bundle's manifest; UserError if the bundle does not hold the evidence."""
    with tempfile.TemporaryDirectory() as folder:
        opened = open_bundle(bundle, Path(folder))
    if evidence not in {entry["sha256"] for entry in opened.manifest["files"]}:
        raise UserError(f"{bundle}: does not hold what is claimed; make it again: edgeproof evidence bundle CAMPAIGN")
    return opened.manifest_sha256


_SIDES = ("left", "right")
_LINE, _DOCUMENT = "claim", "claim's JSON"  # what a signature is over


def _name_cell(cell: Mapping[str, str]) -> str:
    return "/".join(cell[field] for field in Cell._fields)


def _day_of(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
