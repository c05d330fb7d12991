"""The benchmark of replays takes the path of a user, and its trace is the same every time."""

from edgeproof.bench.replay_trials import measure_replay, write_long_trace
from edgeproof.core.documents import validate


def test_a_short_benchmark(tmp_path):
    report = validate(measure_replay(tmp_path, 2000), "bench-replay", "here")
    assert (report["steps"], report["variants"]) == (2000, 3) and 0 < report["swaps"] < 2000 / 10
    assert len((tmp_path / "decisions.jsonl").read_text().splitlines()) == 2000
    first = (tmp_path / "trace.jsonl").read_bytes()
    write_long_trace(tmp_path / "again.jsonl", 2000)
    assert (tmp_path / "again.jsonl").read_bytes() == first
