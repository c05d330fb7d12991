"""Pairs of live processes: what is recorded, who decides, and that nothing of a session is left when it ends."""

import hashlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from edgeproof.agent import driving

from ...signals import heed_signals
from .pair_specs import PROTOCOL, describe_session, fake, load, measure, real
from .stand_in_boards import write_ina3221


@pytest.fixture
def spec(tmp_path):
    return describe_session(tmp_path)


def value_of_pair(tmp_path, pair):
    """Return log(right / left) as docs/method.md has it: inputs by their share of the left arm's time."""
    (left, right), inputs = load(tmp_path, pair, "blocks"), load(tmp_path, pair, "inputs")
    ratios = [np.median(np.log(right / left)[inputs == each]) for each in np.unique(inputs)]
    shares = [np.median(left[inputs == each]) for each in np.unique(inputs)]
    return np.log(np.average(np.exp(ratios), weights=shares))


def interference_of(tmp_path, pair, record):
    """Return log(alternated / alone) of the arm that ran alone: one stretch either way against its second half."""
    (stretch,) = record["blocks"]["alone"]
    place, arm = stretch["before_block"], ("left", "right").index(stretch["arm"])
    around = slice(place - 10, place + 10)
    alternated, inputs = load(tmp_path, pair, "blocks")[arm, around], load(tmp_path, pair, "inputs")[around]
    alone, alone_inputs = load(tmp_path, pair, "alone")[0, 5:], load(tmp_path, pair, "alone_inputs")[0, 5:]
    logs = [
        np.median(np.log(alternated[inputs == each])) - np.median(np.log(alone[alone_inputs == each]))
        for each in np.unique(alone_inputs)
    ]
    return np.median(logs)


def test_a_pair_has_equal_calls_balanced_order_and_digests(tmp_path, spec):
    record, pairs = measure(tmp_path, spec)
    assert record["interleaving"] == {"mode": "blocks", "reason": None}
    assert (record["ended_by"], record["seed"], record["inputs"]) == ("budget", 7, 4)
    assert [pair["status"] for pair in pairs] == ["ok", "ok"]
    for number, pair in enumerate(pairs):
        layout, folder = pair["blocks"], tmp_path / "out" / f"pair-{number:03d}"
        count, samples = layout["block_pairs"], layout["samples"]
        assert load(tmp_path, number, "blocks").shape == (2, count, samples)
        assert (load(tmp_path, number, "blocks") > 0).all() and (load(tmp_path, number, "alone") > 0).all()
        order = load(tmp_path, number, "order").reshape(-1, 2)
        assert (order.sum(axis=1) == 1).all() and len(order) == count // 2
        np.testing.assert_array_equal(
            load(tmp_path, number, "inputs").ravel(), np.arange(count * samples) % layout["inputs"]
        )
        assert set(pair["files"]) == {f"{name}.npy" for name in ("blocks", "inputs", "order", "alone", "alone_inputs")}
        for name, file in pair["files"].items():
            data = (folder / name).read_bytes()
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (file["sha256"], file["bytes"])
    assert len({arm["pid"] for pair in pairs for arm in pair["arms"].values()}) == 4
    assert load(tmp_path, 0, "order").tolist() != load(tmp_path, 1, "order").tolist()


def test_equal_seeds_give_equal_orders(tmp_path, spec):
    orders = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        measure(tmp_path / str(number), {**spec, "budget": {"pairs": 1, "seconds": None}})
        orders.append(load(tmp_path / str(number), 0, "order").tolist())
    assert orders[0] == orders[1]


def test_progress_is_told_line_by_line(tmp_path, spec, capsys):
    measure(tmp_path, spec)
    lines = (tmp_path / "out/progress.jsonl").read_text().splitlines()
    captured = capsys.readouterr()
    assert captured.out.splitlines() == lines
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events] == ["begun", "live", "pair", "begun", "live", "pair", "ended"]
    assert [event["folder"] for event in events if event["event"] == "pair"] == ["pair-000", "pair-001"]
    assert "left vs right  pair 2 of at most 2  ok" in captured.err


def test_the_caller_decides_after_every_pair(tmp_path, spec):
    with started({**spec, "ask": True, "budget": {"pairs": 9, "seconds": None}}, tmp_path) as session:
        for _ in range(2):
            assert read_until(session, "pair")["status"] == "ok"
            session.stdin.write('{"continue": true}\n')
            session.stdin.flush()
        read_until(session, "pair")
        session.stdin.close()
        assert session.wait() == 0
    record = json.loads((tmp_path / "out/session.json").read_text())
    assert (len(record["pairs"]), record["ended_by"]) == (3, "caller")


def test_seconds_begin_no_pair_when_they_are_over(tmp_path, spec):
    record, pairs = measure(tmp_path, {**spec, "budget": {"pairs": 9, "seconds": 0.0}})
    assert (len(pairs), record["ended_by"]) == (1, "budget")


def test_a_comparison_continues_with_the_same_inputs(tmp_path, spec):
    more = {"first_pair": 4, "inputs_count": 3, "interleaving": "blocks", "budget": {"pairs": 1, "seconds": None}}
    record, (pair,) = measure(tmp_path, {**spec, **more})
    assert record["pairs"] == [{"pair": 4, "status": "ok", "folder": "pair-004"}]
    assert pair["blocks"]["inputs"] == 3


def test_the_value_of_a_pair_is_that_of_the_mix(tmp_path, spec):
    spec["arms"] = {"left": fake(tmp_path, "l", 1.0, [1, 1, 1, 5]), "right": fake(tmp_path, "r", 1.0, [1, 1, 1, 10])}
    _, pairs = measure(tmp_path, spec)
    expected = np.log((3 + 10) / (3 + 5))
    assert [value_of_pair(tmp_path, pair["pair"]) for pair in pairs] == pytest.approx([expected] * 2, abs=0.015)


@pytest.mark.parametrize("planted", [0.0, 0.03])
def test_planted_interference_is_recovered(tmp_path, spec, planted):
    arms = {"left": fake(tmp_path, "a", interference=planted), "right": fake(tmp_path, "b", interference=planted)}
    protocol = {**PROTOCOL, "block_seconds": 0.02}
    record, pairs = measure(tmp_path, {**spec, "arms": arms, "protocol": protocol})
    found = [interference_of(tmp_path, pair["pair"], pair) for pair in pairs]
    assert {pair["blocks"]["alone"][0]["arm"] for pair in pairs} == {"left", "right"}
    assert found == pytest.approx([np.log1p(planted)] * 2, abs=0.005)
    assert record["drift"] is None  # no machine drifts in a simulation


def test_an_injected_slow_down_is_what_it_says(tmp_path, spec):
    spec["arms"]["right"]["injected_slowdown"] = 0.05
    measure(tmp_path, {**spec, "arms": {**spec["arms"], "left": fake(tmp_path, "b")}})
    assert value_of_pair(tmp_path, 0) == pytest.approx(np.log(1.05), abs=0.01)


def test_a_waiting_process_is_stopped_and_uses_no_time(tmp_path, spec, tiny_model, monkeypatch):
    """As the kernel counts it, while the other arm runs; two threads that spin between calls."""
    waits = {}

    def ticks(pid):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], int(fields[11]) + int(fields[12])

    wait_stopped, go_on = driving.DrivenArm._wait_stopped, driving.DrivenArm._continue

    def wait(arm):
        wait_stopped(arm)
        waits.setdefault(arm.pid, []).append([ticks(arm.pid)])

    def proceed(arm, do, details):
        waits[arm.pid][-1].append(ticks(arm.pid))
        go_on(arm, do, details)

    monkeypatch.setattr(driving.DrivenArm, "_wait_stopped", wait)
    monkeypatch.setattr(driving.DrivenArm, "_continue", proceed)
    arms = {"left": real(tiny_model, 2), "right": real(tiny_model, 2)}
    _, (pair,) = measure(tmp_path, {**spec, "arms": arms, "budget": {"pairs": 1, "seconds": None}})
    assert len(waits) == 2 and min(map(len, waits.values())) > 10
    for stops in waits.values():
        assert {state for stop in stops for state, _ in stop} == {"T"}
        assert sum(stop[-1][1] - stop[0][1] for stop in stops) == 0
    for arm in pair["arms"].values():
        assert arm["stopped_ns"] > 0 and arm["stopped_cpu_ns"] < 0.01 * arm["stopped_ns"]


def test_real_arms_are_timed_with_cold_start_memory_and_clock(tmp_path, spec, tiny_model):
    record, (pair,) = measure(
        tmp_path,
        {
            **spec,
            "arms": {"left": real(tiny_model), "right": real(tiny_model)},
            "budget": {"pairs": 1, "seconds": None},
        },
    )
    for arm in pair["arms"].values():
        assert arm["provenance"] == "measured" and arm["runtime"]["name"] == "onnxruntime"
        assert arm["memory_peak_bytes"] >= arm["memory_baseline_bytes"] > 0
        for key in ("load_ns", "import_ns", "cold_first_inference_ns", "typical_ns", "quantum_ns"):
            assert arm[key] > 0
    drift = np.load(tmp_path / "out/drift.npy")
    assert drift.shape[1] == 3 and (drift[:, 2] > 0).all()
    assert [point["place"] for point in record["drift"]["points"]] == ["start", "end"]
    assert all(point["seconds"] >= 0.2 for point in record["drift"]["points"])
    assert set(record["environment"]["after"]) == set(record["environment"]["before"])


def start(spec, tmp_path):
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    command = [sys.executable, "-m", "edgeproof.agent", "pairs", str(tmp_path / "spec.json"), str(tmp_path / "out")]
    return subprocess.Popen(
        command,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=heed_signals,
    )


class started:  # noqa: N801
    """A session in a process of its own, which is ended whatever the test does."""

    def __init__(self, spec, tmp_path):
        self._session = start(spec, tmp_path)

    def __enter__(self):
        return self._session

    def __exit__(self, *_):
        self._session.kill()
        self._session.wait()
        self._session.stdout.close()


def read_until(session, event):
    for line in session.stdout:
        told = json.loads(line)
        if told["event"] == event:
            return told
    raise AssertionError(f"the session ended without {event!r}")


def wait_for_end(descriptors):
    """Wait until the processes behind these descriptors have ended; fail after 10 s."""
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], 10)[0], "a process of the session is still there"
        os.close(descriptor)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_no_process_is_left_when_a_session_is_ended(tmp_path, spec, tiny_model, number):
    """One of the two is stopped at any time: only the kernel, or the session's last act, can end it."""
    arms = {"left": real(tiny_model, 2), "right": real(tiny_model, 2)}
    protocol = {**PROTOCOL, "block_seconds": 0.05, "pair_seconds": 60}
    with started({**spec, "arms": arms, "protocol": protocol}, tmp_path) as session:
        pids = read_until(session, "live")["pids"]
        descriptors = [os.pidfd_open(pid) for pid in pids.values()]
        assert not select.select(descriptors, [], [], 0)[0]  # both live
        session.send_signal(number)
        session.wait(timeout=60)
        wait_for_end(descriptors)
    record = json.loads((tmp_path / "out/session.json").read_text())
    assert record["pairs"] == []
    assert record["ended_by"] == (None if number == signal.SIGKILL else "interrupted")
    assert not (tmp_path / "out/pair-000").exists()


def test_pairs_so_far_are_kept_when_a_session_is_ended(tmp_path, spec):
    with started({**spec, "budget": {"pairs": 50, "seconds": None}}, tmp_path) as session:
        read_until(session, "pair")
        read_until(session, "live")
        session.send_signal(signal.SIGINT)
        session.wait(timeout=60)
    record = json.loads((tmp_path / "out/session.json").read_text())
    assert record["ended_by"] == "interrupted" and record["pairs"][0]["status"] == "ok"
    assert load(tmp_path, 0, "blocks").shape[0] == 2
    assert not list((tmp_path / "out").glob(".*"))  # nothing of a pair that was not finished


def test_a_verdict_ends_the_session_and_is_its_result(tmp_path, spec):
    spec["arms"]["right"] = fake(tmp_path, "b", fail="unsupported_operator")
    record, (pair,) = measure(tmp_path, spec)
    assert record["ended_by"] == "failed" and record["pairs"][0]["status"] == "failed"
    assert (pair["failed_arm"], pair["reason"]["kind"]) == ("right", "unsupported_operator")


@pytest.mark.parametrize("interleaving", ["blocks", "processes"])
def test_samplers_watch_the_pairs_and_it_is_kept_when_each_block_ran(tmp_path, spec, tiny_model, interleaving):
    write_ina3221(tmp_path / "board", {"VDD_IN": (5000, 1000)})
    record, (pair,) = measure(
        tmp_path,
        {
            **spec,
            "arms": {"left": real(tiny_model), "right": real(tiny_model)},
            "budget": {"pairs": 1, "seconds": None},
            "interleaving": interleaving,
            "interleaving_reason": "asked",
            "samplers": [{"name": "hwmon", "root": str(tmp_path / "board"), "interval_ms": 2}],
        },
    )
    assert record["interleaving"] == {"mode": interleaving, "reason": "asked"}
    (sampler,) = record["telemetry"]["samplers"]
    assert sampler["reason"] is None and sampler["power"]["rails"] == ["VDD_IN"]
    rows = (tmp_path / "out/telemetry/telemetry.csv").read_text().splitlines()[1:]
    first, last = (int(rows[place].split(",")[0]) for place in (0, -1))
    if interleaving == "blocks":
        windows = load(tmp_path, 0, "windows")
        assert windows.shape == (2, pair["blocks"]["block_pairs"], 2) and "windows.npy" in pair["files"]
        turns = windows.transpose(1, 0, 2)[np.arange(len(windows[0]))[:, None], _order_of(tmp_path)].reshape(-1)
        assert (np.diff(turns) > 0).all()  # one after the other, as the order says
        timed = load(tmp_path, 0, "blocks").sum(axis=2) * pair["blocks"]["calls_per_sample"]
        assert (windows[..., 1] - windows[..., 0] >= timed).all()
    else:
        arms = pair["arms"].values()
        turns = np.array([[arm["window_start_ns"], arm["window_start_ns"] + arm["window_ns"]] for arm in arms])
    assert first < turns.min() and turns.max() < last


def _order_of(tmp_path):
    """Return which arm (0, 1) ran first and second in each block pair: (block pairs, 2)."""
    order = load(tmp_path, 0, "order").astype(int)
    return np.stack([order, 1 - order], axis=1)
