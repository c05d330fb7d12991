"""Two ways not to get a number: a verdict about the artifact, and no verdict at all."""

from __future__ import annotations

import errno
import re

_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}
# numpy's own words when a write ends early; it names no error number.
_SHORT_WRITE = re.compile(r"^\d+ requested and \d+ written$")


class Verdict(Exception):
    """The artifact cannot be measured here, and trying again will not change that.

    `kind` is one of out_of_memory, unsupported_operator, load_failed, provider_unavailable, inference_failed,
    crashed, timed_out.
    """

    def __init__(self, kind: str, message: object) -> None:
        super().__init__(" ".join(str(message).split())[:2000])
        self.kind = kind


class NoVerdict(Exception):
    """Something outside the artifact went wrong (runtime not installed, wrong board, link lost): try again."""

    def __init__(self, kind: str, message: object) -> None:
        super().__init__(" ".join(str(message).split())[:2000])
        self.kind = kind


def is_of_the_machine(error: OSError) -> bool:
    """Return whether a failure is the machine's (a full disk): no verdict about the artifact, no fault of the agent."""
    return error.errno in _MACHINE or (error.errno is None and _SHORT_WRITE.match(str(error)) is not None)


def classify_load_error(message: str) -> str:
    """Return the kind of failure, a verdict on the artifact, that a runtime's message at load time stands for."""
    text = message.lower()
    if "not_implemented" in text or "is not a registered function" in text or "unsupported" in text:
        return "unsupported_operator"
    if "bad_alloc" in text or "out of memory" in text or "failed to allocate" in text:
        return "out_of_memory"
    return "load_failed"
