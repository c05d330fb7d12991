"""Attempts: each try at a measurement leaves a numbered folder, whatever its outcome; none is ever overwritten."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write


def open_attempt(folder: FilePath, spec: Mapping[str, Any]) -> Path:
    """Make the next `attempts/NNNN` in a result's folder, write `spec.json` into it, and return its path."""
    attempts = Path(folder) / "attempts"
    attempts.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name) for path in attempts.iterdir() if path.name.isdigit()), default=0)
    while True:
        number += 1
        attempt = attempts / f"{number:04d}"
        try:
            attempt.mkdir()
        except FileExistsError:  # another process took this number
            continue
        atomic_write(attempt / "spec.json", json.dumps(spec, indent=2) + "\n")
        return attempt


def close_failed(attempt: FilePath, label: str, reason: Mapping[str, Any]) -> UserError:
    """Record why an attempt reached no verdict, and return the UserError to raise; `reason`: {kind, message}."""
    failure = {"label": label, "kind": reason["kind"], "message": reason["message"]}
    atomic_write(Path(attempt) / "failure.json", json.dumps(failure, indent=2, ensure_ascii=False) + "\n")
    return UserError(f"{label}: no verdict ({reason['kind']}): {reason['message']}; the attempt is in {attempt}")
