"""Nothing outlives a killed session, and its device is free only when all of it has ended."""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from edgeproof.agent.lock import hold_device
from edgeproof.agent.tied_processes import open_tied

# What stands for the Python of an arm: it says who it is, and goes on for long.
ONE = 'echo "$$" > {told}; exec sleep 600'
# What it has started is not the agent's child, so the kernel does not end it with the agent.
OF_A_SCRIPT = 'sleep 600 & echo "$!" > {told}; wait'


@pytest.fixture
def told(tmp_path):
    """A pipe by name, from which `read_pid` reads who a process is."""
    os.mkfifo(tmp_path / "told")
    return tmp_path / "told"


@pytest.fixture
def spec(tmp_path, told):
    """A function that returns the spec of a session whose arm's Python is a shell's program."""

    def make(program):
        interpreter = tmp_path / "python"
        interpreter.write_text("#!/bin/sh\n" + program.format(told=told) + "\n")
        interpreter.chmod(0o755)
        np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((1, 4), "float32")})
        (tmp_path / "artifact").write_text("{}")
        arm = {"backend": "fake", "precision": "fp32", "artifact": str(tmp_path / "artifact"), "runtime": {}}
        return {
            "label": "m/p/d/fp32",
            "arms": {"left": arm | {"interpreter": str(interpreter)}},
            "order": ["left"],
            "inputs": str(tmp_path / "inputs.npz"),
            "protocol": {},
            "lock": str(tmp_path / "lock"),
            "timeout_s": 600,
        }

    return make


@contextmanager
def started(tmp_path, verb, spec):
    """Start a verb of the agent; it is killed at the end."""
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(spec))
    process = subprocess.Popen(
        [sys.executable, "-m", "edgeproof.agent", verb, str(path), str(tmp_path / "out")],
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def read_pid(told):
    """Return a handle on the process that says who it is, and its id."""
    with open(told) as stream:
        pid = int(stream.readline())
    return os.pidfd_open(pid), pid


def has_ended(handle):
    return bool(select.select([handle], [], [], 30)[0])


def is_held(path):
    with open(path) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def wait_until_free(path):
    with open(path) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_ends_with_its_killed_session(tmp_path, spec, told, number):
    with started(tmp_path, "session", spec(ONE)) as session:
        handle, _ = read_pid(told)
        assert is_held(tmp_path / "lock")
        session.send_signal(number)
        assert has_ended(handle)
        wait_until_free(tmp_path / "lock")


def test_a_builder_ends_with_its_killed_agent(tmp_path, told):
    command = ["sh", "-c", ONE.format(told=told)]
    spec = {"label": "b", "files": [], "place": "HERE", "command": command, "lock": str(tmp_path / "lock")}
    with started(tmp_path, "program", spec | {"timeout_s": 600}) as agent:
        handle, _ = read_pid(told)
        agent.kill()
        assert has_ended(handle)


def test_a_device_is_held_as_long_as_anything_of_a_killed_session_runs(tmp_path, spec, told, waiters):
    with started(tmp_path, "session", spec(OF_A_SCRIPT)) as session:
        handle, pid = read_pid(told)
        session.kill()
        session.wait()
        try:
            assert is_held(tmp_path / "lock")
            waiting = threading.Thread(target=_hold_once, args=(tmp_path / "lock",))
            waiting.start()
            said = waiters.get()
        finally:
            os.kill(pid, signal.SIGKILL)
    assert "s ago and is gone: something that it has started still runs" in said
    waiting.join()
    assert has_ended(handle) and not is_held(tmp_path / "lock")


def _hold_once(path):
    with hold_device(path, "next"):
        pass


def test_a_session_ends_with_who_started_it(tmp_path, spec, told):
    """A killed `measure_run.py` leaves no session that nobody reads."""
    (tmp_path / "spec.json").write_text(json.dumps(spec(ONE)))
    program = "import subprocess, sys; subprocess.call([sys.executable, '-m', 'edgeproof.agent', *sys.argv[1:]])"
    arguments = ["session", str(tmp_path / "spec.json"), str(tmp_path / "out")]
    caller = subprocess.Popen([sys.executable, "-c", program, *arguments], stderr=subprocess.DEVNULL)
    handle, _ = read_pid(told)
    caller.kill()
    caller.wait()
    assert has_ended(handle)
    wait_until_free(tmp_path / "lock")


def test_what_a_session_left_behind_does_not_hold_the_device(tmp_path):
    """A daemon of the user's program may run on after a session that has ended well."""
    path = tmp_path / "lock"
    with hold_device(path, "first"):
        daemon = open_tied(["sleep", "600"])
    try:
        assert not is_held(path)
    finally:
        daemon.kill()
        daemon.wait()


def test_the_end_of_another_thread_does_not_end_what_it_has_started():
    """The kernel takes the thread for the parent."""
    started_here = []
    thread = threading.Thread(target=lambda: started_here.append(open_tied(["cat"], stdin=subprocess.PIPE)))
    thread.start()
    thread.join()
    started_here[0].communicate()
    assert started_here[0].returncode == 0


def test_the_lock_is_passed_on_by_what_was_started(tmp_path, told):
    """A program that a process of the session starts holds the device, too."""
    command = ["sh", "-c", ONE.format(told=told)]
    program = f"from edgeproof.agent.tied_processes import open_tied; open_tied({command}).wait()"
    with hold_device(tmp_path / "lock", "first"):
        middle = open_tied([sys.executable, "-c", program])
        handle, pid = read_pid(told)
        assert any(path.samefile(tmp_path / "lock") for path in Path(f"/proc/{pid}/fd").iterdir() if path.exists())
        middle.kill()
        middle.wait()
    assert has_ended(handle)


def test_a_number_that_names_another_file_by_now_is_not_passed_on(tmp_path, monkeypatch):
    other = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setenv("EDGEPROOF_KEPT_FILES", f"{other}:1:1,77777:1:1,what")
    said = open_tied(["sh", "-c", "echo $EDGEPROOF_KEPT_FILES; ls /proc/self/fd"], stdout=subprocess.PIPE, text=True)
    first, *open_files = said.communicate()[0].splitlines()
    os.close(other)
    assert first == "" and str(other) not in open_files


def test_a_message_that_nobody_reads_ends_nothing():
    program = "import os, sys; from edgeproof.agent.messages import tell; tell('1'); sys.stdin.read(1); tell('2');"
    program += " print('3', file=sys.stderr, flush=True)"  # a library's own words
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr.readline() == b"1\n"
    process.stderr.close()
    process.stdin.write(b"x")
    process.stdin.close()
    assert process.wait() == 0


def test_a_message_on_a_full_disk_ends_nothing():
    program = "from edgeproof.agent.messages import tell; tell('said'); print('on')"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full)
    assert done.stdout == b"on\n"
