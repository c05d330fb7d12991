"""Programs: what they say and the code they end with, though nothing that they imported is taken down."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest
from edgeproof.core.cli import importing

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
PROGRAM = """
import atexit, sys
sys.path.insert(0, {scripts!r})
from edgeproof.core.cli import run_program
from edgeproof.core.errors import UserError
atexit.register(lambda: print("taken down"))
def main(argv):
    print("said", *argv)
    {body}
run_program(main)
"""


def start(body):
    program = PROGRAM.format(scripts=str(SCRIPTS), body=body)
    return subprocess.run([sys.executable, "-c", program, "it"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("body", "code", "err"),
    [
        ("pass", 0, ""),
        ("return 1", 1, ""),
        ("raise UserError('a.json: broken\\nin two')", 2, "error: a.json: broken in two\n"),
        ("raise KeyboardInterrupt", 130, "error: interrupted; nothing was recorded\n"),
    ],
)
def test_a_program_says_all_and_ends_with_its_code(body, code, err):
    ended = start(body)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "said it\n", err)


def test_a_defect_keeps_its_traceback():
    ended = start("raise KeyError('ours')")
    assert ended.returncode == 1 and "Traceback" in ended.stderr and "KeyError: 'ours'" in ended.stderr


@pytest.mark.parametrize(("number", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_program_that_is_terminated_removes_what_is_half_written(tmp_path, number, code):
    body = f"""
    import os, signal
    from edgeproof.core.files import atomic_path
    with atomic_path({str(tmp_path / "whole")!r}):
        os.kill(os.getpid(), signal.{number})
        signal.pause()"""
    ended = start(body)
    assert (ended.returncode, ended.stderr, list(tmp_path.iterdir())) == (code, "", [])


def test_under_nohup_a_lost_terminal_ends_nothing():
    body = "import os, signal; os.kill(os.getpid(), signal.SIGHUP)"
    program = PROGRAM.format(scripts=str(SCRIPTS), body=body)
    ended = subprocess.run(["nohup", sys.executable, "-c", program, "it"], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (0, "said it\n")


def test_a_reader_that_has_had_enough_is_no_error():
    program = PROGRAM.format(scripts=str(SCRIPTS), body="[print('line', n) for n in range(100_000)]")
    pipeline = f'"{sys.executable}" -c "$PROGRAM" it | head -1; echo ${{PIPESTATUS[0]}}'
    ended = subprocess.run(["bash", "-c", pipeline], env={"PROGRAM": program}, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("said it\n141\n", "")


def test_a_pipe_of_ours_that_breaks_is_a_defect():
    ended = start("raise BrokenPipeError('to a child')")
    assert ended.returncode == 1 and "BrokenPipeError: to a child" in ended.stderr


def test_garbage_is_collected_again_once_all_is_imported():
    frozen = gc.get_freeze_count()
    try:
        with importing():
            assert not gc.isenabled()
        assert gc.isenabled() and gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
