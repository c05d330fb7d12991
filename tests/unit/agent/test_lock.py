"""One device, one holder: also across users, umasks, folders for temporary files, and a removed file."""

import fcntl
import json
import os
import threading

import pytest
from edgeproof.agent.lock import NAME, LockUnavailable, default_path, hold_device


def test_lock_is_exclusive_and_names_its_holder(tmp_path):
    path = str(tmp_path / "lock")
    with hold_device(path, "first") as lock:
        assert lock["holder"]["pid"] == os.getpid()
        with open(path) as stream:
            assert json.load(stream)["label"] == "first"
            with pytest.raises(BlockingIOError):
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(path) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_lock_is_open_to_all_whatever_the_umask(tmp_path):
    path, mask = tmp_path / "lock", os.umask(0o077)
    try:
        with hold_device(path, "first"):
            assert path.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(mask)
    assert path.read_text() == ""


def test_its_place_does_not_follow_the_folder_for_temporary_files(tmp_path, monkeypatch):
    usual = default_path()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert default_path() == usual
    assert os.path.basename(usual) == NAME


@pytest.mark.parametrize(
    ("modes", "chosen"),
    [
        ({"run/lock": 0o1777, "dev/shm": 0o1777, "tmp": 0o1777}, "run/lock"),
        ({"run/lock": 0o755, "dev/shm": 0o1777, "tmp": 0o1777}, "dev/shm"),
        ({"tmp": 0o1777}, "tmp"),
        ({}, "tmp"),
    ],
)
def test_its_place_is_the_first_that_all_users_may_write_to(tmp_path, modes, chosen):
    """Not the first that this user may write to: root would choose another one."""
    for folder, mode in modes.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder).chmod(mode)
    assert default_path(str(tmp_path)) == str(tmp_path / chosen / NAME)


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path, waiters):
    path, order = tmp_path / "lock", []

    def wait(label):
        with hold_device(path, label):
            assert json.loads(path.read_text())["label"] == label  # the file that others see is the one we hold
            order.append(label)

    with hold_device(path, "first"):
        second = threading.Thread(target=wait, args=("second",))
        second.start()
        assert "second: the device is busy" in waiters.get()
        path.unlink()
    second.join()
    assert order == ["second"] and path.exists()


def test_a_lock_that_cannot_be_opened_is_no_verdict(tmp_path):
    with (
        pytest.raises(LockUnavailable, match="the device's lock cannot be opened") as error,
        hold_device(tmp_path / "nowhere" / "lock", "first"),
    ):
        pass
    assert error.value.kind == "lock"
