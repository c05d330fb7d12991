"""Keys of what jobs have made: `results/keys/{made}.json`, with the digest of the file that the job made.

Whoever has both can see, without Snakemake, which part of a key has changed since.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from .configuration import Json
from .errors import UserError
from .files import FilePath, atomic_write, is_file, sha256_file
from .job_options import JobKey
from .reader import current_reader, read_once
from .seals import require_sealed, seal

_RESULTS = "results"


def record_key(key: JobKey) -> None:
    """Keep the key of a job beside the digest of the file that it made; nothing where it made none."""
    if Path(key.made).is_file():
        document = seal({"sha256": sha256_file(key.made), "parts": key.parts})
        atomic_write(place_of(key.made), json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read_key(made: FilePath) -> Json | None:
    """Return the parts of the job's key of a file; None where there is none, or it was written of another content.

    UserError where the key itself was edited.
    """
    if not place_of(made).is_file():
        return None
    document = read_kept_key(place_of(made))
    return document["parts"] if is_key_of(document, made) else None


def is_key_of(document: Json, made: FilePath) -> bool:
    """Tell whether a job's kept key was written of the file `made` as it is now, without reading the file's content."""
    with current_reader().overlooking():
        return is_file(made) and document["sha256"] == sha256_file(made)


@read_once
def read_kept_key(place: FilePath) -> Json:
    """Return a job's key as it is kept, {sha256: of the file that was made, parts}; UserError where it was edited."""
    remedy = f"remove it, and add to your next command: --forcerun {_made_of(place)}"  # Snakemake doesn't see keys
    try:
        document = json.loads(current_reader().read(place))
    except ValueError as error:
        raise UserError(f"{place}: not valid JSON ({error}); {remedy}") from error
    if not isinstance(document, dict) or not {"sha256", "parts"} <= document.keys():
        raise UserError(f"{place}: is not the key of a document; {remedy}")
    key = cast(Json, document)
    require_sealed(key, place, remedy)
    return key


def list_keys(results: FilePath) -> Iterator[tuple[Path, Path]]:
    """Yield (file of the key, file that the job made) for every job whose key is below a folder of results, sorted."""
    keys = Path(results) / "keys"
    for place in sorted(keys.rglob("*.json")):
        yield place, Path(results) / place.relative_to(keys).with_suffix("")


def place_of(made: FilePath) -> Path:
    """Return where the job's key of a file below `results/` is kept (`results/keys/`); `made` may be absolute."""
    parts = Path(made).parts
    at = len(parts) - 1 - parts[::-1].index(_RESULTS) if _RESULTS in parts else -1
    below = Path(*parts[at + 1 :])
    return Path(*parts[: at + 1], "keys", f"{below}.json")


def _made_of(place: FilePath) -> Path:
    """Return the file whose key is kept at `place` (see `place_of`)."""
    parts = Path(place).parts
    at = next((at for at in range(len(parts) - 1, 0, -1) if parts[at - 1 : at + 1] == (_RESULTS, "keys")), None)
    return Path(place) if at is None else Path(*parts[:at], *parts[at + 1 :]).with_suffix("")
