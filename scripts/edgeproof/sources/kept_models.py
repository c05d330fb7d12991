"""Model files that take long to get: downloads and what recipes make are kept as attempts and found again by their key.

So a try that fails loses no good file, and a copied results folder downloads and trains nothing again.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

from edgeproof.agent.machine import describe_machine
from edgeproof.agent.messages import tell
from edgeproof.core.attempts import find_attempts, open_attempt
from edgeproof.core.closure import digest_script
from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath, is_file, keep_file, sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.core.layout import REPOSITORY

from .input_faults import InputFault

MODEL = "model.onnx"  # what the store calls the file


def place_model(output: FilePath, kind: str, key: Json, make: Callable[[Path], object]) -> None:
    """Put the kept model with this key at `output`: of an earlier attempt, or what `make(path)` writes to a path.

    `kind`: of the attempt, `download` or `recipe`. A try that fails leaves an attempt that says why. A kept file that
    was changed is named on stderr and not used.
    """
    place = Path(output).parent
    for attempt in find_attempts(place, key, spares=True):
        kept = attempt.folder / MODEL
        if is_file(kept) and sha256_file(kept) == attempt.record["facts"]["sha256"]:
            keep_file(kept, output)
            tell(f"the same model is in {attempt.folder}; nothing is fetched or made")
            return
        tell(f"{attempt.folder} is not used: {MODEL} is gone, or was changed")
    with open_attempt(place, kind, key, describe_machine()) as attempt:
        made = attempt.folder / MODEL
        try:
            make(made)
        except InputFault as fault:
            attempt.fail(fault.kind, str(fault))
            raise
        closed = attempt.complete(sha256=sha256_file(made))
    keep_file(closed.folder / MODEL, output)


def make_by_recipe(script: FilePath, options: Json, output: FilePath, make: Callable[[Json, Path], object]) -> None:
    """Put the model of a recipe at `output`: the kept one of the store, or made anew by `make(options, path)`.

    `script`: the recipe's file in `scripts/`, whose code is a part of the key.
    """
    name = Path(script).name
    with contextlib.chdir(REPOSITORY):
        code = digest_script(f"scripts/{name}")
    key = compose_key({"recipe": name.removesuffix(".py"), "options": options, "code": code})
    place_model(output, "recipe", key, lambda path: make(options, path))
