"""What is left of the machine's memory, as the kernel and its control groups say."""

import pytest
from edgeproof.agent.interleaving import MemoryNeeds
from edgeproof.agent.memory import read_memory_left, read_oom_kills


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_nothing_says_what_is_left(tmp_path):
    assert read_memory_left(str(tmp_path)) is None


def test_the_kernel_says_what_is_available(tmp_path):
    write(tmp_path, "proc/meminfo", "MemTotal: 8000 kB\nMemAvailable: 4000 kB\n")
    assert read_memory_left(str(tmp_path)) == 4_096_000


def test_the_closest_limit_of_the_groups_above_us_counts(tmp_path):
    write(tmp_path, "proc/meminfo", "MemAvailable: 4000000 kB\n")
    write(tmp_path, "proc/self/cgroup", "0::/system/job\n")
    write(tmp_path, "sys/fs/cgroup/system/job/memory.max", "max\n")
    write(tmp_path, "sys/fs/cgroup/system/job/memory.current", "500\n")
    write(tmp_path, "sys/fs/cgroup/system/memory.max", "3000\n")
    write(tmp_path, "sys/fs/cgroup/system/memory.current", "1000\n")
    write(tmp_path, "sys/fs/cgroup/system/memory.stat", "anon 500\ninactive_file 300\nactive_file 20\n")
    assert read_memory_left(str(tmp_path)) == 3000 - 1000 + 320


def test_a_container_has_its_limit_at_the_root(tmp_path):
    write(tmp_path, "proc/self/cgroup", "0::/\n")
    write(tmp_path, "sys/fs/cgroup/memory.max", "9000\n")
    write(tmp_path, "sys/fs/cgroup/memory.current", "1000\n")
    assert read_memory_left(str(tmp_path)) == 8000


def test_the_older_groups_have_limits_too(tmp_path):
    write(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9000\n")
    write(tmp_path, "sys/fs/cgroup/memory/memory.usage_in_bytes", "4000\n")
    write(tmp_path, "sys/fs/cgroup/memory/memory.stat", "total_inactive_file 100\n")
    assert read_memory_left(str(tmp_path)) == 5100


@pytest.fixture
def needs(tmp_path):
    arms = {}
    for name, size in (("left", 1_000_000), ("right", 100_000_000)):
        path = tmp_path / name
        path.write_bytes(b"\0" * size)
        arms[name] = {"backend": "onnxruntime", "artifact": str(path), "precision": "fp32", "runtime": {}}
    return MemoryNeeds(arms)


def shortage(monkeypatch, needs, left, arms=("left", "right")):
    monkeypatch.setattr("edgeproof.agent.interleaving.read_memory_left", lambda: left)
    return needs.find_shortage(arms)


def test_needs_are_estimated_from_the_artifacts_at_first(needs, monkeypatch):
    assert shortage(monkeypatch, needs, None) is None
    assert shortage(monkeypatch, needs, 900_000_000) is None
    assert "need about 884 MB, and 800 MB are left" in shortage(monkeypatch, needs, 800_000_000)


def test_a_process_that_has_run_says_what_it_and_its_like_need(needs, monkeypatch):
    needs.record("right", 300_000_000)
    assert shortage(monkeypatch, needs, 400_000_000, ["right"]) is None
    needs.record("left", 50_000_000)
    assert shortage(monkeypatch, needs, 400_000_000) is None
    other = needs
    other.record("right", 900_000_000)
    assert shortage(monkeypatch, other, 400_000_000, ["right"]).startswith("memory: right need")


def test_an_artifact_like_one_that_has_run_needs_as_much_for_its_size(needs, monkeypatch):
    needs.record("left", 30_000_000)  # 30 times its size
    assert "right need about 3300 MB" in shortage(monkeypatch, needs, 3_000_000_000, ["right"])


def test_the_kernel_counts_what_it_killed_for_want_of_memory(tmp_path):
    assert read_oom_kills(str(tmp_path)) == 0
    write(tmp_path, "proc/vmstat", "nr_free_pages 12\noom_kill 3\n")
    assert read_oom_kills(str(tmp_path)) == 3
