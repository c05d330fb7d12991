"""Made-up attempts of sessions: the agent's record and the raw samples of each process, with digests that fit."""

import json
from collections.abc import Sequence

import numpy as np

from edgeproof.core.attempts import open_attempt
from edgeproof.core.configuration import Json
from edgeproof.core.files import sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.runs.sessions import process_folder


def write_attempt(folder: str, session: Json, samples: Sequence[np.ndarray], machine: Json) -> str:
    """Write the attempt of a made-up session below a result's folder and return its folder.

    `session`: what the agent would have recorded. `samples`: int64 nanoseconds of each process that is ok, by slot.
    """
    with open_attempt(folder, "session", compose_key({"made up": folder}), machine) as attempt:
        record = attempt.folder / "session" / "session.json"
        digests: dict[str, str] = {}
        for slot, values in enumerate(samples):
            path = process_folder(record.parent, slot) / "samples.npy"
            path.parent.mkdir(parents=True)
            np.save(path, values)
            digests[str(slot)] = sha256_file(path)
        record.parent.mkdir(exist_ok=True)
        record.write_text(json.dumps(session))
        return str(attempt.complete(session=sha256_file(record), samples=digests).folder)
