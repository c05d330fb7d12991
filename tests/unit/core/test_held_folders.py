import contextlib
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from edgeproof.core.held_folders import hold_folder, is_held

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
WORKER = """
import sys
import threading
from edgeproof.core.held_folders import hold_folder
with hold_folder(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def ended(process, seconds=30):
    """Yield a process that is killed after some seconds, so that a test that waits for it ends."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        with process:
            yield process
    finally:
        timer.cancel()


def test_who_asks_for_a_holder_or_waits_for_one_is_none(tmp_path):
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)  # as `await_holder` has it for a moment
    assert not is_held(tmp_path)
    os.close(handle)
    with hold_folder(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path):
    """The second gets it when the first is gone, also when that was killed; nothing is left in the folder."""
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": environment, "text": True}
    with ended(subprocess.Popen([sys.executable, "-c", WORKER, tmp_path], **pipes)) as first:
        assert first.stdout.readline() == "held\n"
        with ended(subprocess.Popen([sys.executable, "-c", WORKER, tmp_path], **pipes)) as second:
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(timeout=0.5)
            first.kill()
            assert second.stdout.readline() == "held\n"
            second.stdin.close()
    with hold_folder(tmp_path):
        assert list(tmp_path.iterdir()) == []
