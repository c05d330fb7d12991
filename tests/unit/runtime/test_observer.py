"""The observer on a clock of ours: what it writes, what it does when the disk is slow or full, and what it refuses."""

import errno
import io
import itertools
import json
import threading

import pytest
from edgeproof.runs.observed_files import read_recording
from edgeproof.runtime import observer as module
from edgeproof.runtime.observed_format import COLUMNS
from edgeproof.runtime.observer import Observer


@pytest.fixture
def clock(monkeypatch):
    """The observer's clock, which stands still until a test moves it: `clock[0] += ns`."""
    now = [1_000]
    monkeypatch.setattr(module, "_now", lambda: now[0])
    return now


def rows(path):
    return [dict(zip(COLUMNS, map(int, row), strict=True)) for row in read_recording(path).calls]


def test_every_stage_of_a_call_has_its_time_and_the_deadline_counts_from_the_input(tmp_path, clock):
    def frames():
        for number in range(2):
            clock[0] += 50
            yield number

    with Observer(tmp_path / "x.observed", deadline_ms=2.5, label="camera") as observed:
        for _ in observed.each(frames()):
            for name, spent in (("pre-processing", 3), ("inference", 7), ("inference", 1), ("post-processing", 2)):
                with observed.stage(name):
                    clock[0] += spent
            clock[0] += 4
    first, second = rows(tmp_path / "x.observed")
    stages = {"input": 50, "pre-processing": 3, "inference": 8, "post-processing": 2}
    assert first == {"start": 1_000, "ready": 1_050, "end": 1_067, "failed": 0, **stages}
    assert second == {"start": 1_067, "ready": 1_117, "end": 1_134, "failed": 0, **stages}
    recording = read_recording(tmp_path / "x.observed")
    assert recording.head["deadline_ns"] == 2_500_000 and recording.head["label"] == "camera"
    assert recording.end["calls"] == 2 and recording.end["lost"] == 0


def test_without_a_stage_of_input_a_deadline_counts_from_the_start_or_from_the_arrival(tmp_path, clock):
    with Observer(tmp_path / "x.observed") as observed:
        with observed.call():
            clock[0] += 5
        with observed.call(arrived_ns=900), observed.stage("input"):
            clock[0] += 5
        with observed.call():
            pass
    assert [row["ready"] for row in rows(tmp_path / "x.observed")] == [1_000, 900, 1_010]


def test_a_call_that_raises_is_recorded_as_failed_and_the_error_goes_on(tmp_path, clock):
    def broken():
        yield 0
        raise OSError("the camera is gone")

    with Observer(tmp_path / "x.observed") as observed:
        with pytest.raises(KeyError), observed.call():
            raise KeyError
        with pytest.raises(OSError, match="camera is gone"):
            for _ in observed.each(broken()):
                pass
    with pytest.raises(ZeroDivisionError), Observer(tmp_path / "y.observed") as observed:
        for number in observed.each(range(3)):
            if number:
                raise ZeroDivisionError
    assert [row["failed"] for row in rows(tmp_path / "x.observed")] == [1, 0, 1]
    assert [row["failed"] for row in rows(tmp_path / "y.observed")] == [0, 1]


def test_a_loop_that_ends_with_break_keeps_its_last_call(tmp_path, clock):
    with Observer(tmp_path / "x.observed") as observed:
        for number in observed.each(itertools.count()):
            clock[0] += 10
            if number == 2:
                break
        clock[0] += 1_000
    assert [row["end"] - row["ready"] for row in rows(tmp_path / "x.observed")] == [10, 10, 10]


def test_a_disk_that_is_slower_than_the_loop_costs_calls_and_no_memory(tmp_path, clock, capfd):
    """Two buffers wait while the first is written; what comes after them is left out and counted."""
    go, asked = threading.Event(), threading.Event()
    observed = Observer(tmp_path / "x.observed", buffered_calls=4)
    write = observed._write

    def slow(data):
        if observed._thread.is_alive() and threading.current_thread() is observed._thread:
            asked.set()
            assert go.wait(30)
        return write(data)

    observed._write = slow
    with observed:
        for number in range(100):
            with observed.call():
                clock[0] += 1
            if number == 3:
                assert asked.wait(30)  # the first buffer is being written
            assert len(observed._buffer) <= 4 * len(COLUMNS)
        go.set()
    recording = read_recording(tmp_path / "x.observed")
    assert len(recording.calls) == 8 and recording.end["lost"] == 92  # one was written, one waited
    assert "92 calls are not in it: the disk was slower than the loop" in capfd.readouterr().err


def test_a_full_disk_does_not_reach_the_loop(tmp_path, clock, capfd):
    observed = Observer(tmp_path / "x.observed", buffered_calls=1)

    class Full(io.RawIOBase):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    observed._stream.close()
    observed._stream = Full()
    with observed:
        for _ in range(3):
            with observed.call():
                clock[0] += 1
    assert "3 calls are not in it: [Errno 28] No space left on device" in capfd.readouterr().err


def test_a_file_does_not_grow_beyond_its_limit(tmp_path, clock):
    with Observer(tmp_path / "x.observed", most_bytes=4_000) as observed:
        for _ in range(200):
            with observed.call():
                clock[0] += 1
    recording = read_recording(tmp_path / "x.observed")
    assert len(recording.calls) == 0 and recording.end["lost"] == 200 and "most_bytes" in recording.end["trouble"]


def test_what_is_some_seconds_old_is_handed_over_before_the_buffer_is_full(tmp_path, clock):
    with Observer(tmp_path / "x.observed") as observed:
        with observed.call():
            clock[0] += 4_000_000_000
        assert len(observed._buffer) == len(COLUMNS)
        with observed.call():
            clock[0] += 1_000_000_000
        assert len(observed._buffer) == 0
    assert len(rows(tmp_path / "x.observed")) == 2


def test_an_existing_recording_is_kept_and_another_name_is_taken(tmp_path):
    for _ in range(3):
        with Observer(tmp_path / "x.observed") as observed, observed.call():
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-2.observed", "x-3.observed", "x.observed"]
    assert observed.path == str(tmp_path / "x-3.observed")


def test_mistakes_of_the_caller_are_said_where_they_are_made(tmp_path):
    with pytest.raises(ValueError, match="deadline_ms is 0"):
        Observer(tmp_path / "x.observed", deadline_ms=0)
    with pytest.raises(OSError):
        Observer(tmp_path / "none" / "x.observed")
    with Observer(tmp_path / "x.observed") as observed:
        with pytest.raises(ValueError, match="'infer' is not a stage; there are input, pre-processing"):
            observed.stage("infer")
        with observed.call(), pytest.raises(RuntimeError, match="running already"), observed.call():
            pass


def test_the_model_is_recorded_by_its_digest(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"abc")
    with Observer(tmp_path / "x.observed", artifact=tmp_path / "model.onnx"):
        pass
    artifact = read_recording(tmp_path / "x.observed").head["artifact"]
    assert artifact["name"] == "model.onnx" and artifact["sha256"].startswith("ba7816bf8f01cfea414140de5dae2223")
    assert json.dumps(artifact)
