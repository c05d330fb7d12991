"""What the doctor asks of a node of a cluster, as a program that Slurm runs there: PROGRAM FOLDER WORD.

It reads WORD.here in the folder, leaves WORD.there beside it in one step, and says in JSON what it read and where it
works.
"""

import json
import os
import platform
import sys
import tempfile
from pathlib import Path


def _probe(folder: Path, word: str) -> dict[str, object]:
    here = folder / f"{word}.here"
    seen = here.read_text() if here.exists() else None
    if seen is not None:
        part = folder / f"{word}.part"
        part.write_text(seen)
        os.rename(part, folder / f"{word}.there")
    scratch = tempfile.gettempdir()
    return {
        "seen": seen,
        "machine": platform.machine(),
        "scratch": scratch,
        "own_disk": os.stat(scratch).st_dev != os.stat(folder if folder.exists() else "/").st_dev,
    }


if __name__ == "__main__":
    print(json.dumps(_probe(Path(sys.argv[1]), sys.argv[2])))
