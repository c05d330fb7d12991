"""What a hand can do to a result besides changing a number: every way has its own line when it is read."""

import shutil

import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.runs.raw_samples import write_samples
from edgeproof.runs.results import read_result

from .records import steady_samples
from .test_results import edit, put, store


def place(root, precision):
    """Return the folder where a cell's result belongs."""
    folder = root / "results/runs/m/p/d" / precision
    folder.mkdir(parents=True)
    return folder


def test_result_and_samples_swapped_together_are_refused(tmp_path):
    here, there = place(tmp_path, "fp32"), place(tmp_path, "int8")
    path = store(here)
    assert read_result(path)["cell"]["precision"] == "fp32"
    for name in ("result.json", "samples.csv"):
        shutil.copy(here / name, there / name)
    with pytest.raises(UserError, match="cell is m/p/d/fp32, not the one of its folder"):
        read_result(there / "result.json")


def test_result_under_a_relative_path_is_placed_too(tmp_path, monkeypatch):
    folder = place(tmp_path, "int8")
    store(folder)
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match="not the one of its folder"):
        read_result("result.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(5000, "protocol", "carried_out", "samples"), r"protocol\.carried_out\.samples is 5000, .* give 1500"),
        (put(1000, "protocol", "carried_out", "samples_per_process"), r"samples_per_process is 1000"),
        (put(10, "protocol", "carried_out", "processes"), r"carried_out\.processes is 10, the samples give 5"),
        (put(10, "protocol", "requested", "processes"), r"requested\.processes is 10, session 0 has 5"),
        (put(1024, "protocol", "requested", "min_samples"), r"min_samples is 1024, a process has 300"),
        (put(None, "protocol", "carried_out"), r"carried_out\.sessions is None"),
        (put(1, "memory_peak_bytes"), "memory_peak_bytes is 1, the processes give"),
        (put({"kind": "crashed", "message": "x"}, "reason"), "status is 'ok', but reason is"),
        (put("simulated", "provenance"), "provenance is 'simulated', but runtime.name is 'onnxruntime'"),
        (
            put("qemu-aarch64", "sessions", 0, "environment", "before", "emulator"),
            "provenance is 'measured', but the processor was emulated by 'qemu-aarch64'",
        ),
        (put(0.5, "output_check", "relative_l2"), r"output_check\.passed is True"),
        (put(10.0, "output_check", "limit"), r"output_check\.limit is 10\.0"),
        (put(False, "output_check", "passed"), "status is 'ok', the evidence in it says 'failed'"),
        (put(0.5, "percentiles", "p99", "value_ms"), r"percentiles\.p99\.value_ms is 0\.5"),
        (put(-1.0, "percentiles", "p50", "value_ms"), r"percentiles\.p50\.value_ms is -1\.0; it must be > 0"),
        (put(float("inf"), "percentiles", "p50", "value_ms"), "Infinity is not a number"),
    ],
)
def test_claim_that_does_not_follow_is_refused_by_name(tmp_path, change, message):
    path = store(tmp_path)
    edit(path, change)
    with pytest.raises(UserError, match=message):
        read_result(path)


@pytest.mark.parametrize(
    "change",
    [
        put(0.001, "processes", 0, "cold_first_inference_ms"),
        put(0.001, "processes", 0, "load_ms"),
        put(1, "artifact_bytes"),
        put(0.002, "sessions", 0, "environment", "steal_share"),
        put("99.0", "runtime", "version"),
        put("MAXN", "sessions", 0, "environment", "before", "power_mode"),
        put("results/elsewhere", "sessions", 0, "attempt"),
        put(2.0, "sessions", 0, "started_at_unix_s"),
        put(None, "document_sha256"),
    ],
)
def test_what_the_samples_do_not_say_is_sealed(tmp_path, change):
    """Memory, load times, the machine: criteria and policies decide on these, too."""
    path = store(tmp_path)
    edit(path, change)
    with pytest.raises(UserError, match="document_sha256"):
        read_result(path)


def test_unsorted_percentiles_are_refused(tmp_path):
    path = store(tmp_path)

    def swap(document):
        p50, p99 = (document["percentiles"][name] for name in ("p50", "p99"))
        p50["value_ms"], p99["value_ms"] = p99["value_ms"], p50["value_ms"]

    edit(path, swap)
    with pytest.raises(UserError, match=r"percentiles\.p50\.value_ms is .*, the samples give"):
        read_result(path)


def test_samples_taken_away_are_refused(tmp_path):
    path = store(tmp_path)
    write_samples(tmp_path / "samples.csv", [[samples[:250] for samples in steady_samples()]])
    edit(path, put(sha256_file(tmp_path / "samples.csv"), "digests", "samples"))
    with pytest.raises(UserError, match="the samples give"):
        read_result(path)


def test_reason_of_a_throttled_run_is_its_session(tmp_path):
    throttled = [{"source": "vcgencmd get_throttled", "value": value} for value in (0x0, 0x50000)]
    path = store(tmp_path, throttled=throttled)
    edit(path, put("it was windy", "reason", "message"))
    with pytest.raises(UserError, match=r"reason\.message is 'it was windy', its sessions give"):
        read_result(path)


def test_simulated_run_called_measured_is_refused(tmp_path):
    path = store(tmp_path, provenance="simulated")
    edit(path, put("measured", "provenance"))
    with pytest.raises(UserError, match=r"provenance is 'measured', but runtime\.name is 'fake'"):
        read_result(path)
