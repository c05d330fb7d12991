"""Documents of a campaign that rest on an attempt which is gone: somebody removed it, or did not copy it.

Such a document cannot be checked any more, and nothing about it looks stale to Snakemake. Without it, the workflow
makes it again from the attempts that are there, and measures what is missing. Where none is there, nothing could be
made but by measuring: the document is all that is left, so it stays, and its user decides.
"""

import os
import re
from collections.abc import Iterable, Iterator

from edgeproof.core.attempts import FOLDER, RECORD, list_attempts
from edgeproof.core.errors import UserError
from edgeproof.core.targets import Targets

from .attempt_documents import NAMED_IN

_ROOMS = ("runs", "calibration", "comparability", "plans")  # whose documents name attempts
_ATTEMPT = re.compile(rb'"(results/[^"\\]*/' + FOLDER.encode() + rb'/\d{4,}-[0-9a-f]{8})"')


def renew_documents(targets: Targets, dry: bool = False) -> Iterator[str]:
    """Remove the documents of a campaign that rest on a lost attempt, one which is gone, and yield a line for each.

    One that has no attempt left stays. Paths are relative to the current folder. `dry`: only say so.
    """
    files = (path for path in targets.list_wanted(*_ROOMS) if path.endswith(NAMED_IN))
    for path, attempt, left in find_lost(files):
        if not left:
            yield (
                f"{path}: {attempt} is gone, on which it rests, and no other is there; put it back, or measure again: "
                f"--forcerun {path}"
            )
            continue
        if not dry:
            os.unlink(path)
        yield f"{path}: {attempt} is gone, on which it rests; it is made again from the attempts that are there"


def find_lost(documents: Iterable[str]) -> Iterator[tuple[str, str, bool]]:
    """Yield (document, attempt, left) for each document that names a lost attempt, the first one of those.

    `left`: whether an attempt that counts is in one of the folders that it names.
    """
    for path in documents:
        try:
            with open(path, "rb") as stream:
                content = stream.read()
        except OSError:  # it is not there, and will be made
            continue
        names = list(map(os.fsdecode, sorted(set(_ATTEMPT.findall(content)))))
        gone = next((name for name in names if not os.path.isfile(f"{name}/{RECORD}")), None)
        if gone is not None:
            stores = {os.path.dirname(os.path.dirname(name)) for name in names}
            yield path, gone, any(map(_has_complete, stores))


def _has_complete(target: str) -> bool:
    """Tell whether a target has an attempt that counts; one whose record was edited is named when it is used."""
    try:
        return any(attempt.complete for attempt in list_attempts(target))
    except UserError:
        return True
