"""Observed runs: figures of made-up recordings against plain arithmetic, and files that are refused."""

import json

import numpy as np
import pytest
from edgeproof.comparability.observed_beside import put_beside
from edgeproof.core.errors import UserError
from edgeproof.core.seals import seal
from edgeproof.evidence.observed_page import write_observed_page
from edgeproof.runs.observed_files import read_recording
from edgeproof.runs.observed_runs import import_recording, read_observed
from edgeproof.runs.results import read_result
from edgeproof.runtime.observed_format import CALLS, COLUMNS, DONE, HEAD, MAGIC, pack_chunk
from hypothesis import given, settings
from hypothesis import strategies as st

MACHINE = {"id": "a" * 16, "board": "NVIDIA Jetson Orin Nano", "cpu": None}
HEADER = {
    "columns": list(COLUMNS), "started_unix_s": 1.7e9, "pid": 7, "python": "3.8.10", "clock_resolution_s": 1e-9,
    "machine": MACHINE, "environment": {"board": MACHINE["board"]}, "deadline_ns": 10_000_000, "artifact": None,
    "label": None, "cost_ns": {"stage": 400, "call": 600, "rounds": 200},
}  # fmt: skip
FOOTER = {"calls": 0, "lost": 0, "trouble": None, "ended_unix_s": 1.7e9 + 60, "environment": {}}


def make_calls(spent_ms, period_ms=33.0, failed=()):
    """Return rows of calls whose input takes 1 ms and whose inference takes all the rest but 1 ms."""
    starts = (np.arange(len(spent_ms)) * period_ms * 1e6).astype(np.int64)
    rows = np.zeros((len(spent_ms), len(COLUMNS)), np.int64)
    spent = np.round(np.asarray(spent_ms) * 1e6).astype(np.int64)
    rows[:, 0], rows[:, 1], rows[:, 2] = starts, starts + 1_000_000, starts + 1_000_000 + spent
    rows[list(failed), 3] = 1
    rows[:, 4], rows[:, 6] = 1_000_000, np.maximum(spent - 1_000_000, 0)
    return rows


def write(path, rows, head=HEADER, end=FOOTER):
    parts = [MAGIC, pack_chunk(HEAD, json.dumps(head).encode())]
    parts += [pack_chunk(CALLS, block.astype("<i8").tobytes()) for block in np.array_split(rows, 2)]
    parts += [pack_chunk(DONE, json.dumps(end).encode())] if end else []
    path.write_bytes(b"".join(parts))
    return path


@pytest.fixture
def bring(tmp_path):
    """A function that writes calls as a recording, imports it, and returns its document."""

    def make(rows, head=None, end=FOOTER, name="loop", device=None, deadline_ms=None):
        path = write(tmp_path / f"{name}.observed", rows, HEADER | (head or {}), end)
        return import_recording(path, name, tmp_path, device, deadline_ms)

    return make


def test_deadlines_and_bursts_are_counted(bring):
    spent = [5, 12, 5, 11, 14, 20, 5, 10, 5, 30, 40, 5]
    document = bring(make_calls(spent))
    assert document["deadline"] == {
        "deadline_ms": 10.0, "source": "recording", "missed": 6, "share": 0.5, "bursts": 2, "longest_burst": 3,
        "worst_over_ms": 30.0,
    }  # fmt: skip
    assert document["latency"]["first_ms"] == 5 and document["latency"]["max_ms"] == 40
    assert document["latency"]["p99_ms"] is None  # twelve calls do not show one in a hundred
    assert document["latency"]["p90_ms"] == sorted(spent)[10]
    assert document["kind"] == "observed" and document["calls"] == {"recorded": 12, "failed": 0, "lost": 0}


def test_a_failed_call_is_no_miss_and_has_no_time(bring):
    document = bring(make_calls([50, 12, 12, 50, 5, 5], failed=(0, 3)))
    assert document["calls"]["failed"] == 2 and document["latency"]["max_ms"] == 12
    assert document["deadline"]["missed"] == 2 and document["deadline"]["share"] == 0.5
    assert bring(make_calls([5, 5], failed=(0, 1)), name="broken")["latency"] is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 40))
def test_misses_are_those_of_plain_counting(tmp_path_factory, spent, deadline):
    folder = tmp_path_factory.mktemp("observed")
    path = write(folder / "x.observed", make_calls([float(value) for value in spent]))
    found = import_recording(path, "x", folder, None, float(deadline))["deadline"]
    marks = "".join("x" if value > deadline else "." for value in spent)
    runs = [len(run) for run in marks.split(".") if run]
    assert (found["missed"], found["source"]) == (marks.count("x"), "import")
    assert found["bursts"] == sum(run > 1 for run in runs)
    assert found["longest_burst"] == max((run for run in runs if run > 1), default=0)


def test_jitter_is_of_when_inputs_come(bring):
    rows = make_calls([5.0] * 20)
    rows[10:, :3] += 7_000_000  # one input comes 7 ms late
    jitter = bring(rows)["jitter"]
    assert jitter["period_ms"] == pytest.approx(33) and jitter["period_off_max_ms"] == pytest.approx(7)
    assert jitter["latency_step_mean_ms"] == 0
    assert bring(rows[:2], name="two")["jitter"] is None


def test_stages_and_what_none_of_them_timed_make_up_the_whole(bring):
    stages = {stage["name"]: stage for stage in bring(make_calls([11.0] * 10))["stages"]}
    assert list(stages) == ["input", "inference", "rest"]
    assert stages["inference"]["median_ms"] == 10 and stages["rest"]["median_ms"] == 1
    assert sum(stage["share"] for stage in stages.values()) == pytest.approx(1)
    rows = make_calls([11.0] * 10)
    rows[:, 5] = 5_000_000  # a stage inside another one
    assert "rest" not in {stage["name"] for stage in bring(rows, name="nested")["stages"]}


def test_a_killed_process_loses_its_end_only(bring, tmp_path):
    document = bring(make_calls([5.0] * 40), end=None)
    assert document["recording"]["complete"] is False and "without closing" in document["recording"]["reason"]
    assert document["calls"] == {"recorded": 40, "failed": 0, "lost": None}
    whole = (tmp_path / "loop.observed").read_bytes()
    counts = set()
    for length in range(len(MAGIC), len(whole), 97):
        (tmp_path / "cut.observed").write_bytes(whole[:length])
        try:
            counts.add(len(read_recording(tmp_path / "cut.observed").calls))
        except UserError as error:
            assert "does not say how it was recorded" in str(error)
    assert counts == {0, 20}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: b"\0" + data, "does not begin as a file of edgeproof's observer"),
        (lambda data: data[:-300] + bytes([data[-300] ^ 1]) + data[-299:], "not as the observer wrote it"),
        (lambda data: data + data[len(MAGIC) :], "does not say how it was recorded"),
    ],
)
def test_altered_files_are_refused_in_one_line(tmp_path, spoil, message):
    path = write(tmp_path / "x.observed", make_calls([5.0] * 10))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UserError, match=message) as caught:
        read_recording(path)
    assert "\n" not in str(caught.value)


def test_times_that_cannot_be_are_refused(bring, tmp_path):
    rows = make_calls([5.0] * 4)
    rows[2, 2] = rows[2, 0] - 1
    with pytest.raises(UserError, match="call 3 has times that run backwards"):
        bring(rows)
    with pytest.raises(UserError, match="holds no call"):
        bring(rows[:0], name="empty")
    with pytest.raises(UserError, match="there is no such file"):
        import_recording(tmp_path / "none", "none", tmp_path, None, None)


def test_another_recording_and_another_board_are_refused(bring, tmp_path):
    bring(make_calls([5.0] * 10))
    assert bring(make_calls([5.0] * 10))["calls"]["recorded"] == 10  # the same one again
    with pytest.raises(UserError, match="has another recording; choose another --name"):
        bring(make_calls([6.0] * 10))
    pi = {"board_contains": "raspberry pi"}
    with pytest.raises(UserError, match="was recorded on 'NVIDIA Jetson Orin Nano', and the board of device rpi"):
        bring(make_calls([5.0] * 10), name="pi", device=("rpi", pi))
    assert not (tmp_path / "results/observed/pi").exists()
    jetson = ("jetson", {"board_contains": "jetson"})
    assert bring(make_calls([5.0] * 10), name="nano", device=jetson)["device"] == "jetson"


def test_an_observed_run_is_computed_again_when_it_is_read(bring, tmp_path):
    document = bring(make_calls([5.0] * 10), deadline_ms=4.0)
    path = tmp_path / "results/observed/loop/observed.json"
    assert read_observed(path)[0] == json.loads(path.read_text()) and document["deadline"]["missed"] == 10
    edited = json.loads(path.read_text())
    edited["deadline"]["missed"] = 0
    path.write_text(json.dumps(edited))
    with pytest.raises(UserError, match="document_sha256 does not match"):
        read_observed(path)
    path.write_text(json.dumps(seal(edited)))
    with pytest.raises(UserError, match=r"deadline\.missed is 0, its recording give"):
        read_observed(path)


def test_an_observed_run_is_never_a_benchmark_run(bring, tmp_path):
    digest = "b" * 64
    observed = bring(make_calls([5.0] * 10), head={"artifact": {"name": "m.onnx", "sha256": digest}})
    result = {
        "cell": {"model": "m"}, "status": "ok", "latency": {"median_ms": 3.5}, "digests": {"artifact": digest},
        "sessions": [{"machine": MACHINE}],
    }  # fmt: skip
    beside = put_beside(observed, result)
    assert beside["verdict"] == "not-comparable" and [reason["field"] for reason in beside["reasons"]] == ["kind"]
    assert beside["inference_ms"] == {"observed": 4.0, "benchmark": 3.5}
    other = result | {"digests": {"artifact": "c" * 64}, "sessions": [{"machine": {"id": "d" * 16}}], "latency": None}
    fields = [reason["field"] for reason in put_beside(observed, other)["reasons"]]
    assert fields == ["kind", "artifact", "machine"]
    with pytest.raises(UserError, match="schema"):
        read_result(tmp_path / "results/observed/loop/observed.json")


def test_the_page_says_first_what_became_of_the_deadline(bring, tmp_path):
    bring(make_calls([5, 12, 5, 11, 14, 20, 5, 10, 5, 30, 40, 5]))
    page = write_observed_page(tmp_path / "results/observed/loop/observed.json").read_text()
    assert "6 calls of 12" in page and "the longest of 3 in a row" in page and page.count('class="missed"') == 6
    assert "One process, once" in page and "http" not in page.replace("http-equiv", "")
    bring(make_calls([5.0] * 200), head={"deadline_ns": None}, end=None, name="free")
    page = write_observed_page(tmp_path / "results/observed/free/observed.json").read_text()
    assert "No deadline was set." in page and 'class="missed"' not in page and "not complete" in page
