"""Keys of what jobs have made: `results/keys/{made}.json`, with the digest of the file that the job made.

Whoever has both can see, without Snakemake, which part of a key has changed since.
"""

import json
from pathlib import Path

from .configuration import Json
from .files import FilePath, atomic_write, sha256_file
from .job_options import JobKey

_RESULTS = "results"


def record_key(key: JobKey) -> None:
    """Keep the key of a job beside the digest of the file that it made; nothing where it made none."""
    if Path(key.made).is_file():
        text = json.dumps({"sha256": sha256_file(key.made), "parts": key.parts}, indent=1, ensure_ascii=False)
        atomic_write(place_of(key.made), text + "\n")


def read_key(made: FilePath) -> Json | None:
    """Return the parts of the key of a file; None where nobody wrote one, or the file is not the one it was written
    of.
    """
    try:
        document: Json = json.loads(place_of(made).read_bytes())
        return document["parts"] if document["sha256"] == sha256_file(made) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def place_of(made: FilePath) -> Path:
    """Return where the job's key of a file below `results/` is kept (`results/keys/`); `made` may be absolute."""
    parts = Path(made).parts
    at = len(parts) - 1 - parts[::-1].index(_RESULTS) if _RESULTS in parts else -1
    below = Path(*parts[at + 1 :])
    return Path(*parts[: at + 1], "keys", f"{below}.json")
