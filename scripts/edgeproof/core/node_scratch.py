"""Where a job on a node of a cluster works: on the node's own disk, and not on the network share that has the results.

A session writes and reads while it measures, and the share would be measured along with the model. The attempt comes to
the share when it is over, all of it in one step, so that a node that dies leaves nothing there.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

_ARRIVING = ".arriving"


def claim_scratch(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Make and return an empty scratch folder on this node's own disk ($TMPDIR); None elsewhere than in a job of Slurm.

    What killed jobs have left there is removed.
    """
    if "SLURM_JOB_ID" not in environment:
        return None
    place = Path(tempfile.gettempdir(), f"edgeproof-{os.getuid()}")
    place.mkdir(mode=0o700, exist_ok=True)
    for left in place.iterdir():
        if not Path("/proc", left.name.split("-")[0]).exists():
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=place))


def bring_folder(folder: Path, store: Path) -> Path:
    """Bring a folder from a node's scratch to the store, under a name that is not a result's yet; return its place.

    Call it with the store held. What an earlier call did not finish is removed.
    """
    for left in store.glob(f".*{_ARRIVING}"):
        shutil.rmtree(left, ignore_errors=True)
    place = store / f".{folder.name.strip('.')}{_ARRIVING}"
    try:
        os.rename(folder, place)
    except OSError:  # the share is another file system
        shutil.copytree(folder, place)
        for path in place.rglob("*"):
            if path.is_file():
                with path.open("rb") as stream:
                    os.fsync(stream.fileno())
    with contextlib.suppress(OSError):
        shutil.rmtree(folder.parent)
    return place
