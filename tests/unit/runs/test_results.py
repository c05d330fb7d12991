"""Results follow from raw samples, and a result that does not is refused by name."""

import copy
import json

import numpy as np
import pytest
from edgeproof.core.documents import validate, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.seals import seal
from edgeproof.runs.raw_samples import read_samples, write_samples
from edgeproof.runs.results import build_result, read_result

from .records import make_facts, make_session, steady_samples


def store(folder, samples=None, **options):
    """Write a result and its samples as the measuring rule does; return the path of the result."""
    samples = steady_samples() if samples is None else samples
    path = folder / "result.json"
    write_samples(folder / "samples.csv", samples)
    facts = make_facts(sha256_file(folder / "samples.csv"))
    result = build_result(facts, {"status": "ok", "reason": None}, make_session(samples, **options), samples)
    write_sealed(path, result, "result")
    return path


def edit(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_steady_run_is_ok_and_reads_back(tmp_path):
    result = read_result(store(tmp_path))
    assert result["status"] == "ok" and result["reason"] is None
    medians = [np.median(samples) / 1e6 for samples in steady_samples()]
    assert result["latency"]["median_ms"] == pytest.approx(np.exp(np.mean(np.log(medians))), rel=1e-12)
    assert result["latency"]["interval_low_ms"] < result["latency"]["median_ms"] < result["latency"]["interval_high_ms"]
    assert result["percentiles"]["p99.9"]["value_ms"] is None
    assert result["percentiles"]["p99.9"]["floor_samples"] == 6636
    assert result["protocol"]["carried_out"]["samples_per_process"] == 300
    assert result["energy"] == {"value_j": None, "reason": "no power sampler is configured for this device"}


def test_processes_that_disagree_make_the_run_unstable(tmp_path):
    samples = steady_samples()
    samples[2] = samples[2] * 2
    result = read_result(store(tmp_path, samples))
    assert (result["status"], result["reason"]["kind"]) == ("unstable", "unstable")
    assert "process medians vary" in result["reason"]["message"]
    assert result["percentiles"]["p50"]["value_ms"] is None


def test_steal_and_throttling_make_the_run_unstable(tmp_path):
    result = read_result(store(tmp_path, steal=0.05))
    assert result["status"] == "unstable" and "steal" in result["reason"]["message"]
    assert {(entry["value_ms"], entry["reason"][:30]) for entry in result["percentiles"].values()} == {
        (None, "the run is not stable: steal: ")
    }
    throttled = [{"source": "vcgencmd get_throttled", "value": value} for value in (0x0, 0x50000)]
    result = read_result(store(tmp_path, throttled=throttled))
    assert "0x50000" in result["reason"]["message"]


def test_simulated_run_does_not_depend_on_the_machine(tmp_path):
    assert read_result(store(tmp_path, steal=0.5, provenance="simulated"))["status"] == "ok"


def test_burst_samples_are_divided_and_have_no_percentiles(tmp_path):
    result = read_result(store(tmp_path, calls=4))
    plain = np.exp(np.mean([np.log(np.median(samples) / 1e6) for samples in steady_samples()]))
    assert result["latency"]["median_ms"] == pytest.approx(plain / 4, rel=1e-9)
    assert all(entry["value_ms"] is None for entry in result["percentiles"].values())
    assert "spans 4 inferences" in result["percentiles"]["p50"]["reason"]


def test_verdicts_about_the_artifact(tmp_path):
    session = make_session(steady_samples(), failure={"kind": "provider_unavailable", "message": "no GPU here"})
    result = build_result(make_facts("0" * 64), {"status": "ok", "reason": None}, session, [])
    assert (result["status"], result["latency"]) == ("unsupported", None)
    reason = {"kind": "unsupported_operator", "message": "node 3"}
    facts = make_facts("0" * 64)
    facts["digests"] = {**facts["digests"], "artifact": None}
    result = build_result(facts, {"status": "failed", "reason": reason}, None, [])
    assert (result["status"], result["reason"]["kind"], result["reason"]["message"]) == (
        "failed",
        "no_artifact",
        "node 3",
    )


def test_a_model_that_cannot_be_used_has_a_failed_result(tmp_path):
    facts, reason = make_facts("0" * 64), {"kind": "unusable_input", "message": "not an ONNX model"}
    facts["identity"] = {**facts["identity"], "inputs": []}
    facts["digests"] = {**facts["digests"], "artifact": None}
    result = build_result(facts, {"status": "failed", "reason": reason}, None, [])
    assert (result["status"], result["reason"]) == ("failed", {"kind": "no_artifact", "message": "not an ONNX model"})
    assert (result["workload"]["input_shape"], result["workload"]["batch_size"]) == ([], 1)
    validate(seal(result), "result", "here")


def test_an_artifact_without_samples_has_a_failed_result(tmp_path):
    facts, reason = make_facts("0" * 64), {"kind": "unfit_samples", "message": "the shapes do not fit"}
    facts["digests"] = {**facts["digests"], "artifact": "1" * 64}
    result = build_result(facts, {"status": "failed", "reason": reason}, None, [])
    assert (result["status"], result["reason"]["kind"]) == ("failed", "no_samples")


@pytest.mark.parametrize("difference", [0.5, float("inf"), float("nan")])
def test_wrong_output_is_failed(tmp_path, difference):
    samples = steady_samples()
    facts = make_facts("0" * 64, output_difference=difference)
    result = build_result(facts, {"status": "ok", "reason": None}, make_session(samples), samples)
    assert (result["status"], result["reason"]["kind"]) == ("failed", "wrong_output")


def scale(*keys, factor=0.5):
    def change(document):
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] *= factor

    return change


def put(value, *keys):
    def change(document):
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (scale("latency", "median_ms"), r"latency\.median_ms is .* the samples give"),
        (scale("latency", "interval_high_ms", factor=1.01), r"latency\.interval_high_ms"),
        (scale("percentiles", "p90", "value_ms"), r"percentiles\.p90\.value_ms"),
        (put(1.0, "percentiles", "p99.9", "value_ms"), r"percentiles\.p99\.9\.value_ms"),
        (scale("throughput_per_s", factor=2), "throughput_per_s"),
        (scale("processes", 1, "minimum_ms"), r"processes\[1\]\.minimum_ms"),
        (put(999, "processes", 0, "samples"), r"processes\[0\]\.samples is 999, the samples give 300"),
        (put(2, "processes", 0, "calls_per_sample"), "samples give"),
        (put("unstable", "status"), "status is 'unstable', the evidence in it says 'ok'"),
        (put(False, "stability", "stable"), r"stability\.stable"),
        (lambda d: d["processes"].pop(), "processes has 4 entries"),
        (put(None, "latency"), "latency is null"),
        (put(-1.0, "latency", "median_ms"), r"latency\.median_ms is -1\.0; it must be > 0"),
        (put(float("nan"), "latency", "median_ms"), "not valid JSON: NaN"),
        (put(True, "throughput_per_s"), "throughput_per_s is true"),
        (put("x", "surprise"), "unknown key 'surprise'"),
        (put("0" * 64, "digests", "samples"), "not the samples measured"),
    ],
)
def test_edited_result_is_refused_by_name(tmp_path, change, message):
    path = store(tmp_path)
    edit(path, change)
    with pytest.raises(UserError, match=message):
        read_result(path)


def test_what_was_read_once_is_refused_when_it_changes(tmp_path):
    path = store(tmp_path)
    good, table = path.read_text(), (tmp_path / "samples.csv").read_text()
    assert read_result(path) == read_result(path)
    edit(path, lambda result: result["latency"].update(median_ms=0.5))
    with pytest.raises(UserError, match=r"latency\.median_ms"):
        read_result(path)
    path.write_text(good)
    (tmp_path / "samples.csv").write_text(table.replace("0,", "0,1", 1))
    with pytest.raises(UserError, match=r"digests\.samples"):
        read_result(path)


def test_samples_swapped_between_cells_are_refused(tmp_path):
    paths = []
    for name, factor in (("a", 1), ("b", 3)):
        (tmp_path / name).mkdir()
        paths.append(store(tmp_path / name, [samples * factor for samples in steady_samples()]))
    left, right = (path.with_name("samples.csv") for path in paths)
    left_text, right_text = left.read_text(), right.read_text()
    left.write_text(right_text)
    right.write_text(left_text)
    for path in (paths[0], paths[1]):
        with pytest.raises(UserError, match="not the samples measured"):
            read_result(path)


def test_samples_edited_together_with_their_digest_do_not_give_the_claimed_numbers(tmp_path):
    path = store(tmp_path)
    write_samples(tmp_path / "samples.csv", [samples // 2 for samples in steady_samples()])
    edit(path, put(sha256_file(tmp_path / "samples.csv"), "digests", "samples"))
    with pytest.raises(UserError, match="the samples give"):
        read_result(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("process,elapsed_ns\n0,1.5\n", "two integers are needed"),
        ("process,elapsed_ns\n0,\n", "two integers are needed"),
        ("process,elapsed_ns\n0,-5\n", "row 2 is '0,-5'; two integers"),
        ("process,elapsed_ns\n0,5\n0,0\n", "elapsed_ns is 0 in row 3"),
        ("process,elapsed_ns\n0,5\n0,5", "last row, '0,5', has no end"),
        ("process,elapsed_ns\n0 5\n0,5\n", "row 2 is '0 5'"),
        ("process,elapsed_ns\n0,5,5\n0,5\n", "row 2 is '0,5,5'"),
        ("process,elapsed_ns\n0,5\n\n0,5\n", "row 3 is ''"),
        ("process,elapsed_ns\n0,5\n1,5\n0,5\n", "numbered 0, 1"),
        ("process,elapsed_ns\n1,5\n", "numbered 0, 1"),
        ("process,elapsed_ns\n0,5\n2,5\n", "numbered 0, 1"),
        ("process,time\n0,5\n", "columns"),
        ("", "columns"),
        ("process,elapsed_ns\n0,99999999999999999999\n", "two integers are needed"),
    ],
)
def test_malformed_samples_are_refused(tmp_path, text, message):
    path = tmp_path / "samples.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_samples(path)


def test_samples_round_trip(tmp_path):
    samples = steady_samples()
    write_samples(tmp_path / "s.csv", samples)
    for left, right in zip(read_samples(tmp_path / "s.csv"), samples, strict=True):
        np.testing.assert_array_equal(left, right)
    write_samples(tmp_path / "s.csv", [])
    assert read_samples(tmp_path / "s.csv") == []


def test_records_are_not_changed_by_building(tmp_path):
    samples, session = steady_samples(), make_session(steady_samples())
    before = copy.deepcopy(session)
    build_result(make_facts("0" * 64), {"status": "ok", "reason": None}, session, samples)
    assert session == before
