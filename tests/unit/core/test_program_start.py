"""Programs: what they print and the code they end with, although they skip the teardown of their imports."""

import gc
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode, describe_exit_codes, exit_code_of_signal
from edgeproof.core.program_start import importing, run

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
PROGRAM = """
import atexit, signal, sys
{first}
sys.path.insert(0, {scripts!r})
from edgeproof.core.program_start import run_program
from edgeproof.core.errors import UserError
atexit.register(lambda: print("taken down"))
def main(argv):
    print("said", *argv)
    {body}
run_program(main)
"""


# Under nohup SIGHUP is ignored, also in children; a test that needs it must ask for it.
HEED_HANGUP = "signal.signal(signal.SIGHUP, signal.SIG_DFL)"


def start(body, *before, first=HEED_HANGUP):
    program = PROGRAM.format(scripts=str(SCRIPTS), first=first, body=body)
    command = [*before, sys.executable, "-c", program, "it"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


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


@pytest.mark.parametrize("code", ExitCode)
def test_main_returns_any_exit_code(code):
    assert run(lambda argv: code, []) == code


def test_exit_codes_are_those_of_the_table():
    def fail(argv):
        raise UserError("x")

    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 70, 130, 143]
    assert run(lambda argv: None, []) == ExitCode.GOOD
    assert run(fail, []) == ExitCode.MISTAKE
    assert exit_code_of_signal(signal.SIGINT) == ExitCode.INTERRUPTED
    assert exit_code_of_signal(signal.SIGTERM) == ExitCode.TERMINATED
    assert [int(line.split()[0]) for line in describe_exit_codes()] == list(ExitCode)


def test_a_defect_keeps_its_traceback():
    ended = start("raise KeyError('ours')")
    assert ended.returncode == 70 and "Traceback" in ended.stderr and "KeyError: 'ours'" in ended.stderr


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
    ended = start(body, "nohup", first="")
    assert (ended.returncode, ended.stdout) == (0, "said it\n")


def test_a_reader_that_has_had_enough_is_no_error():
    program = PROGRAM.format(scripts=str(SCRIPTS), first="", body="[print('line', n) for n in range(100_000)]")
    pipeline = f'"{sys.executable}" -c "$PROGRAM" it | head -1; echo ${{PIPESTATUS[0]}}'
    ended = subprocess.run(
        ["bash", "-c", pipeline], env={"PROGRAM": program}, capture_output=True, text=True, timeout=60
    )
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


def test_user_error_is_one_line_and_exit_code_2(capsys):
    def main(argv):
        raise UserError("a.yaml: key\n is wrong")

    assert run(main, []) == 2
    assert capsys.readouterr().err == "error: a.yaml: key is wrong\n"
    assert run(lambda argv: None, []) == 0
