"""What the machine refuses (space, permissions, descriptors) is one line with file and remedy, not a traceback."""

import errno
import os
import subprocess
import sys
import textwrap

import pytest
from edgeproof.core.processes import SCRIPTS
from edgeproof.core.world_errors import describe_world_error

PROGRAM = """
import sys
sys.path.insert(0, {scripts!r})
from edgeproof.core.program_start import run_program
def main(argv):
    folder = argv[0]
{body}
run_program(main)
"""
WRITE = """
import numpy as np
from edgeproof.core.tensors import write_tensors
write_tensors(folder + "/big.npz", {"x": np.zeros(2_000_000)})
"""


def run_main(body, folder, first=""):
    """Run `body` as a command's main in a process of its own, which is not root; `first`: what it does before."""
    program = first + PROGRAM.format(scripts=str(SCRIPTS), body=textwrap.indent(body.strip(), "    "))
    return subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, timeout=60)


def require_line(ended, *words):
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("error: ") and ended.stderr.count("\n") == 1
    assert all(word in ended.stderr for word in words), ended.stderr


def test_a_full_disk(tmp_path):
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", tmp_path], capture_output=True).returncode:
        pytest.skip("needs root, to mount a small disk")
    try:
        ended = run_main(WRITE, tmp_path)
        require_line(ended, f"{tmp_path}/big.npz: No space left on device; free some space and run again")
        assert list(tmp_path.iterdir()) == []  # nothing half-written
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_limit_on_the_size_of_files(tmp_path):
    first = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
    require_line(run_main(WRITE, tmp_path, first), f"{tmp_path}/big.npz: File too large", "ulimit -f")
    assert list(tmp_path.iterdir()) == []


def test_no_descriptors_left(tmp_path):
    body = "files = [open(f'{folder}/{number}', 'w') for number in range(100)]"
    first = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n"
    require_line(run_main(body, tmp_path, first), "Too many open files; raise the limit", "ulimit -n 4096")


def test_a_folder_of_another_owner(tmp_path):
    (tmp_path / "theirs").mkdir(mode=0o755)
    os.chmod(tmp_path, 0o755)
    if os.geteuid():
        os.chmod(tmp_path / "theirs", 0o555)
    for folder in tmp_path.relative_to(tmp_path.parents[2]).parents:
        os.chmod(tmp_path.parents[2] / folder, 0o755)
    # Root may write everywhere, so it becomes nobody once all is imported.
    body = "from edgeproof.core import files, world_errors\nimport os\nos.geteuid() or os.seteuid(65534)\n"
    body += "files.atomic_write(folder + '/theirs/x.json', 'text')"
    require_line(run_main(body, tmp_path), f"{tmp_path}/theirs/", "Permission denied", "sudo chown -R")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EROFS, "x", "/mnt/a"), "/mnt/a: Read-only file system; mount it so that it can be written"),
        (OSError("4096 requested and 0 written"), "No space left on device; free some space"),
        (OSError(errno.EMFILE, "x"), "Too many open files; raise the limit"),
        (PermissionError(errno.EACCES, "x", b"/a"), "/a: Permission denied; make it yours"),
    ],
)
def test_the_words(error, told):
    assert describe_world_error(error).startswith(told)


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "x", "/a"), OSError("odd"), BrokenPipeError(errno.EPIPE, "x")]
)
def test_any_other_error_is_ours(error):
    assert describe_world_error(error) is None
