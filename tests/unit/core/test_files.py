import contextlib
import fcntl
import hashlib
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from edgeproof.core.cli import run
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_path, atomic_write, hold_folder, is_held, require_no_pointer, sha256_file

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
WORKER = """
import sys
import threading
from edgeproof.core.files import hold_folder
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


def test_digest_is_sha256_of_the_bytes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * (1 << 21))
    assert sha256_file(path) == hashlib.sha256(b"x" * (1 << 21)).hexdigest()
    with pytest.raises(UserError, match="there is no such file"):
        sha256_file(tmp_path / "none")


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    atomic_write(path, "old")

    def fail_midway():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_midway()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_written_file_is_readable_by_others(tmp_path):
    atomic_write(tmp_path / "a", b"x")
    (tmp_path / "b").write_bytes(b"x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def test_user_error_is_one_line_and_exit_code_2(capsys):
    def main(argv):
        raise UserError("a.yaml: key\n is wrong")

    assert run(main, []) == 2
    assert capsys.readouterr().err == "error: a.yaml: key is wrong\n"
    assert run(lambda argv: None, []) == 0


def test_a_git_lfs_pointer_is_not_the_file(tmp_path):
    (tmp_path / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(UserError, match=r"a Git LFS pointer instead of the file; fetch it: git lfs pull --include"):
        require_no_pointer(tmp_path / "model.onnx")
    (tmp_path / "text").write_text("version")
    require_no_pointer(tmp_path / "text")


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
