"""Attempts: every try at a measurement leaves a numbered folder, whatever came of it. Nothing here is ever
overwritten.
"""

import json
from pathlib import Path

from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write


def open_attempt(folder, spec):
    """Make the next `attempts/NNNN` below a result's folder, put the spec into it, and return its path."""
    attempts = Path(folder) / "attempts"
    attempts.mkdir(parents=True, exist_ok=True)
    number = max((int(path.name) for path in attempts.iterdir() if path.name.isdigit()), default=0)
    while True:
        number += 1
        attempt = attempts / f"{number:04d}"
        try:
            attempt.mkdir()
        except FileExistsError:  # somebody else was faster
            continue
        atomic_write(attempt / "spec.json", json.dumps(spec, indent=2) + "\n")
        return attempt


def close_failed(attempt, label, kind, message):
    """Record why an attempt reached no verdict, and return the UserError to raise."""
    failure = {"label": label, "kind": kind, "message": message}
    atomic_write(Path(attempt) / "failure.json", json.dumps(failure, indent=2, ensure_ascii=False) + "\n")
    return UserError(f"{label}: no verdict ({kind}): {message}; the attempt is in {attempt}")
