"""Phase 3: what became of every candidate when it was converted, and whether it computes what its source computes."""

from collections.abc import Mapping
from pathlib import Path

from edgeproof.artifacts.records.manifests import verify_manifest
from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_json
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.seals import seal


def collect_conversions(
    campaign: str, model: str, folders: Mapping[str, str], more_than: int, output: FilePath
) -> None:
    """Write `conversion.json`, what phase 3 says of every candidate. `folders`: {candidate: folder of its artifact}."""
    entries = {name: _describe(Path(folder), more_than) for name, folder in folders.items()}
    document: Json = {
        "schema": "edgeproof.phase-conversion.v1",
        "campaign": campaign,
        "model": model,
        "candidates": [{"name": name, **entry} for name, entry in entries.items()],
    }
    write_json(output, seal(document), "phase-conversion")


def _describe(folder: Path, more_than: int) -> Json:
    manifest, parity = verify_manifest(folder / "manifest.json"), read_parity_record(folder / "parity.json")
    reason = manifest["reason"]
    used = (manifest.get("calibration") or {}).get("samples")
    few = used is not None and used <= more_than
    return {
        "folder": str(folder),
        "status": manifest["status"],
        "reason": None if reason is None else reason["message"],
        "precision": manifest["cell"]["precision"],
        "bytes": manifest["artifact"]["bytes"] if manifest["status"] == "ok" else None,
        "parity": parity["status"],
        "parity_reason": None if parity["reason"] is None else parity["reason"]["message"],
        "trivial": parity["trivial"],
        "samples_used": used,
        "samples_reason": f"{used} samples chose its ranges; more than {more_than} are needed" if few else None,
        "digests": {
            "manifest": sha256_file(folder / "manifest.json"),
            "parity": sha256_file(folder / "parity.json"),
        },
    }
