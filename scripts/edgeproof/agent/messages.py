"""What is said while something is measured: a message must never end what it is about."""

from __future__ import annotations

import contextlib
import os
import sys


def tell(text: str, end: str = "\n") -> None:
    """Print a message on standard error. Where nobody can read it any more, or the disk is full, nothing happens."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except BrokenPipeError:  # the reader is gone: what else is written there, by a library too, must not fail either
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stderr.fileno())
            os.close(nowhere)
    except OSError:
        pass
