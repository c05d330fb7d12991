"""What keeps variants of a family from being loaded: the gate, other tensors, failures."""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any, Callable, Dict, Optional, Tuple

from . import swap_codes
from .load_ledger import LoadLedger
from .variants import ModelFamily, Variant


class LoadBlocks:
    """Remembers what went wrong with the variants of one family. `gate`: which variants may be activated at all.

    A variant whose file has changed is as good as new.
    """

    def __init__(self, family: ModelFamily, gate: Callable[[Variant], bool]) -> None:
        self._family, self._gate = family, gate
        self._ledger = LoadLedger()
        self._bad_tensors: Dict[str, Optional[str]] = {}
        self._digests: Dict[str, Tuple[Any, str]] = {}

    def find(self) -> Dict[str, str]:
        """Return {variant: `capability`, `io`, `backoff` or `quarantine`}: what may not be loaded now."""
        variants = self._family.variants
        blocks = self._ledger.list_blocks(time.monotonic(), self._digest)
        for name, digest in list(self._bad_tensors.items()):
            if self._digest(name) != digest:
                del self._bad_tensors[name]
            else:
                blocks[name] = "io"
        blocks.update({name: "capability" for name, variant in variants.items() if not self._gate(variant)})
        return blocks

    def note_failure(self, name: str, code: str) -> None:
        """Count a load that ended with one of `swap_codes`; a cancelled one says nothing about the variant."""
        if code == swap_codes.SKIPPED_IO:
            self._bad_tensors[name] = self._digest(name)
        elif code != swap_codes.CANCELLED:
            self._ledger.note_failure(name, time.monotonic(), self._digest(name))

    def note_success(self, name: str) -> None:
        """Forget the failures of a variant."""
        self._ledger.note_success(name)

    def require_digest(self, name: str) -> None:
        """Raise ValueError where a variant's file is not the one that its family names by digest."""
        wanted = self._family.variants[name].sha256
        if wanted is not None and self._digest(name) != wanted:
            path = self._family.variants[name].path
            raise ValueError("{} is not the file that the family names: its sha256 differs".format(path))

    def release(self, name: str) -> None:
        """Let a variant be tried again at once."""
        self._ledger.release(name)
        self._bad_tensors.pop(name, None)

    def _digest(self, name: str) -> Optional[str]:
        """Return the digest of a variant's file, None where it cannot be read; hashed again when it has changed."""
        path = self._family.variants[name].path
        try:
            status = os.stat(path)
            known = (status.st_mtime_ns, status.st_size, status.st_ino)
            if name not in self._digests or self._digests[name][0] != known:
                digest = hashlib.sha256()
                with open(path, "rb") as stream:
                    while chunk := stream.read(1 << 20):
                        digest.update(chunk)
                self._digests[name] = (known, digest.hexdigest())
            return self._digests[name][1]
        except OSError:
            return None
