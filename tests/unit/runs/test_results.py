"""Results follow from raw samples, and a result that does not is refused by name."""

import copy
import json

import numpy as np
import pytest
from edgeproof.core.documents import validate, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.formatting import plain
from edgeproof.core.seals import seal
from edgeproof.runs.raw_samples import list_processes, read_samples, write_samples
from edgeproof.runs.results import build_result, read_result

from .records import make_facts, measured_session, steady_samples

OK = {"status": "ok", "reason": None}
HEADER = "session,process,elapsed_ns"


def store(folder, samples=None, **options):
    """Write a result and its samples as the measuring rule does; return the path of the result."""
    samples = steady_samples() if samples is None else samples
    return store_sessions(folder, [samples], **options)


def store_sessions(folder, sessions, **options):
    """Write the result of several sessions, each given as its samples; return its path."""
    path = folder / "result.json"
    write_samples(folder / "samples.csv", sessions)
    facts = make_facts(sha256_file(folder / "samples.csv"), **options.pop("facts", {}))
    measured = [measured_session(samples, number=number, **options) for number, samples in enumerate(sessions)]
    result = build_result(facts, OK, measured)
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
    assert (result["energy"]["value_j"], result["power"]["mean_w"]) == (None, None)
    assert result["energy"]["reason"] == "no power sampler is configured for this device"


def labels_of(result):
    return [entry["label"] for entry in result["labels"]]


def test_processes_that_disagree_make_the_headline_noisy_and_withhold_nothing(tmp_path):
    samples = steady_samples()
    samples[2] = samples[2] * 2
    result = read_result(store(tmp_path, samples))
    assert (result["status"], result["reason"], result["latency"]["noisy"]) == ("ok", None, True)
    assert labels_of(result) == ["noisy"] and "wider than ±5%" in result["labels"][0]["message"]
    assert result["percentiles"]["p50"]["value_ms"] is not None


def test_steal_is_a_label_and_throttling_a_status(tmp_path):
    result = read_result(store(tmp_path, steal=0.05))
    assert (result["status"], labels_of(result)) == ("ok", ["steal"])
    throttled = [{"source": "vcgencmd get_throttled", "value": value} for value in (0x0, 0x50000)]
    result = read_result(store(tmp_path, throttled=throttled))
    assert result["status"] == "throttled" and "during session 0: " in result["reason"]["message"]
    assert "0x50000" in result["reason"]["message"] and result["latency"]["median_ms"] > 0


def test_levels_between_which_starts_jump_are_shown(tmp_path):
    samples = steady_samples(processes=6)
    samples[1], samples[4] = samples[1] * 5 // 4, samples[4] * 5 // 4
    result = read_result(store(tmp_path, samples, facts={"processes": 6}))
    modes = result["sessions"][0]["modes"]
    assert [(mode["starts"], round(mode["level_ms"], 2)) for mode in modes] == [(4, 1.0), (2, 1.25)]
    assert labels_of(result) == ["noisy", "modes"] and "(33%)" in result["labels"][1]["message"]


def test_one_session_has_an_interval_within_it(tmp_path):
    latency = read_result(store(tmp_path))["latency"]
    assert latency["basis"] == "session" and latency["interval_low_ms"] < latency["median_ms"]
    assert latency["rare_starts"] == pytest.approx(1 - 0.05 ** (1 / 5))


def test_two_sessions_are_shown_without_a_pooled_interval(tmp_path):
    result = read_result(store_sessions(tmp_path, [steady_samples(seed=1), steady_samples(seed=2)]))
    assert (result["latency"]["basis"], result["latency"]["interval_low_ms"]) == ("two sessions", None)
    assert all(session["latency"]["interval_low_ms"] for session in result["sessions"])
    assert [process["session"] for process in result["processes"]] == [0] * 5 + [1] * 5
    assert result["protocol"]["carried_out"]["sessions"] == 2


def test_three_sessions_are_the_unit_of_the_interval(tmp_path):
    levels = (1_000_000, 1_040_000, 1_080_000)
    sessions = [steady_samples(median_ns=level, seed=seed) for seed, level in enumerate(levels)]
    result = read_result(store_sessions(tmp_path, sessions))
    logs = np.log([session["latency"]["median_ms"] for session in result["sessions"]])
    reach = 4.302653 * logs.std(ddof=1) / np.sqrt(3)  # t with 2 degrees of freedom
    assert result["latency"]["basis"] == "sessions"
    assert result["latency"]["interval_high_ms"] == pytest.approx(np.exp(logs.mean() + reach), rel=1e-6)
    assert labels_of(result) == ["noisy"] and "over sessions" in result["labels"][0]["message"]


def test_percentiles_have_an_interval_from_ten_starts(tmp_path):
    few = read_result(store(tmp_path))["percentiles"]["p90"]
    assert (few["low_ms"], few["starts"]) == (None, 5) and few["value_ms"] > 0 and "in these 5 starts" in few["reason"]
    many = read_result(store(tmp_path, steady_samples(processes=10), facts={"processes": 10}))["percentiles"]["p90"]
    assert many["low_ms"] <= many["value_ms"] <= many["high_ms"] and many["reason"] is None
    assert many["rare_starts"] == pytest.approx(1 - 0.05**0.1)


def slow_input(samples, inputs, number, factor):
    """Return samples whose input `number` of `inputs` takes longer."""
    slower = [values.copy() for values in samples]
    for values in slower:
        values[number::inputs] = (values[number::inputs] * factor).astype("int64")
    return slower


def test_the_headline_is_the_mean_over_inputs_and_the_slowest_is_named(tmp_path):
    samples = slow_input(steady_samples(count=320), 16, 3, 9.0)
    result = read_result(store(tmp_path, samples, inputs=16))
    base = read_result(store(tmp_path, steady_samples(count=320), inputs=16))
    assert result["latency"]["median_ms"] == pytest.approx(base["latency"]["median_ms"] * 24 / 16, rel=0.005)
    assert (result["inputs"]["slowest"], result["inputs"]["depends"]) == (3, True)
    assert labels_of(result) == ["depends_on_inputs"] and "number 3 of 16" in result["labels"][0]["message"]
    assert (base["inputs"]["depends"], labels_of(base)) == (False, [])


def test_random_samples_are_called_random(tmp_path):
    result = read_result(store(tmp_path, facts={"samples_kind": "random"}))
    assert labels_of(result) == ["random_inputs"]


def drift(*means):
    points = [
        {
            "place": "between",
            "at_s": float(number),
            "repetitions": 9,
            "seconds": 0.2,
            "complete": True,
            "mean_ns": mean,
            "median_ns": mean,
        }
        for number, mean in enumerate(means)
    ]
    return {"kernel": "elementwise-1", "numpy": "2", "points": points, "share": 0.02, "file": "drift.npy"}


def test_a_machine_that_changed_during_a_session_is_named(tmp_path):
    result = read_result(store(tmp_path, drift=drift(1000, 1001, 999, 1000, 1000, 1300, 1301, 1299, 1300, 1301)))
    assert labels_of(result) == ["drift"] and "30 % slower after 4 to 5 s" in plain(result["labels"][0]["message"])
    steady = read_result(store(tmp_path, drift=drift(*[1000, 1001, 999] * 3)))
    assert labels_of(steady) == [] and steady["sessions"][0]["drift"]["changes"] == []


def load(samples, counted, settled=True):
    """Return the load of a process whose windows have ten samples each, as the agent records it."""
    windows = [
        {"seconds": 10.0 * (number + 1), "timed": 500, "samples": 10, "temperature_c": 40.0 + number}
        for number in range(len(samples) // 10)
    ]
    return {"settled": settled, "counted": counted, "windows": windows}


def test_under_sustained_load_the_settled_part_counts_and_the_curve_is_kept(tmp_path):
    burst, settled = (np.full(100, level, dtype="int64") for level in (1_000_000, 1_500_000))
    samples = [np.concatenate((burst, settled))] * 5
    result = read_result(store(tmp_path, samples, load=load(samples[0], 60)))
    assert result["latency"]["median_ms"] == pytest.approx(1.5)
    assert result["processes"][0]["samples"] == 60 and result["protocol"]["carried_out"]["samples"] == 1000
    curve = [window["median_ms"] for window in result["processes"][0]["load"]["windows"]]
    assert curve == [1.0] * 10 + [1.5] * 10 and labels_of(result) == []
    result = read_result(store(tmp_path, samples, load=load(samples[0], 60, settled=False)))
    assert labels_of(result) == ["not_settled"] and "3.3 minutes" in result["labels"][0]["message"]


def test_simulated_run_does_not_depend_on_the_machine(tmp_path):
    assert read_result(store(tmp_path, steal=0.5, provenance="simulated"))["status"] == "ok"


def test_burst_samples_are_divided_and_have_no_percentiles(tmp_path):
    result = read_result(store(tmp_path, calls=4))
    plain = np.exp(np.mean([np.log(np.median(samples) / 1e6) for samples in steady_samples()]))
    assert result["latency"]["median_ms"] == pytest.approx(plain / 4, rel=1e-9)
    assert all(entry["value_ms"] is None for entry in result["percentiles"].values())
    assert "spans 4 inferences" in result["percentiles"]["p50"]["reason"]


def test_verdicts_about_the_artifact(tmp_path):
    failure = {"kind": "provider_unavailable", "message": "no GPU here"}
    result = build_result(make_facts("0" * 64), OK, [measured_session([], failure=failure)])
    assert (result["status"], result["latency"]) == ("unsupported", None)
    reason = {"kind": "unsupported_operator", "message": "node 3"}
    facts = make_facts("0" * 64)
    facts["digests"] = {**facts["digests"], "artifact": None}
    result = build_result(facts, {"status": "failed", "reason": reason}, [])
    assert (result["status"], result["reason"]["kind"], result["reason"]["message"]) == (
        "failed",
        "no_artifact",
        "node 3",
    )


def test_a_model_that_cannot_be_used_has_a_failed_result(tmp_path):
    facts, reason = make_facts("0" * 64), {"kind": "unusable_input", "message": "not an ONNX model"}
    facts["identity"] = {**facts["identity"], "inputs": []}
    facts["digests"] = {**facts["digests"], "artifact": None}
    result = build_result(facts, {"status": "failed", "reason": reason}, [])
    assert (result["status"], result["reason"]) == ("failed", {"kind": "no_artifact", "message": "not an ONNX model"})
    assert (result["workload"]["input_shape"], result["workload"]["batch_size"]) == ([], 1)
    validate(seal(result), "result", "here")


def test_an_artifact_without_samples_has_a_failed_result(tmp_path):
    facts, reason = make_facts("0" * 64), {"kind": "unfit_samples", "message": "the shapes do not fit"}
    facts["digests"] = {**facts["digests"], "artifact": "1" * 64}
    result = build_result(facts, {"status": "failed", "reason": reason}, [])
    assert (result["status"], result["reason"]["kind"]) == ("failed", "no_samples")


@pytest.mark.parametrize("difference", [0.5, float("inf"), float("nan")])
def test_wrong_output_is_failed(tmp_path, difference):
    samples = steady_samples()
    facts = make_facts("0" * 64, output_difference=difference)
    result = build_result(facts, OK, [measured_session(samples)])
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
        (put("throttled", "status"), "status is 'throttled', the evidence in it says 'ok'"),
        (put(True, "latency", "noisy"), r"latency\.noisy"),
        (put("sessions", "latency", "basis"), r"latency\.basis"),
        (put([{"label": "noisy", "message": "x"}], "labels"), "labels is"),
        (put(3, "inputs", "slowest"), r"inputs\.slowest is 3"),
        (put(True, "elsewhere"), "elsewhere is True, its sessions give False"),
        (scale("sessions", 0, "latency", "median_ms"), r"sessions\[0\]\.latency\.median_ms"),
        (put(1, "processes", 0, "session"), r"processes\[0\]\.session is 1"),
        (lambda d: d["sessions"].append(d["sessions"][0]), "sessions has 2 entries"),
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
    write_samples(tmp_path / "samples.csv", [[samples // 2 for samples in steady_samples()]])
    edit(path, put(sha256_file(tmp_path / "samples.csv"), "digests", "samples"))
    with pytest.raises(UserError, match="the samples give"):
        read_result(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEADER}\n0,0,1.5\n", "three integers are needed"),
        (f"{HEADER}\n0,0,\n", "three integers are needed"),
        (f"{HEADER}\n0,0,-5\n", "row 2 is '0,0,-5'; three integers"),
        (f"{HEADER}\n0,0,5\n0,0,0\n", "elapsed_ns is 0 in row 3"),
        (f"{HEADER}\n0,0,5\n0,0,5", "last row, '0,0,5', has no end"),
        (f"{HEADER}\n0 0,5\n0,0,5\n", "row 2 is '0 0,5'"),
        (f"{HEADER}\n0,0,5,5\n0,0,5\n", "row 2 is '0,0,5,5'"),
        (f"{HEADER}\n0,5\n", "row 2 is '0,5'"),
        (f"{HEADER}\n0,0,5\n\n0,0,5\n", "row 3 is ''"),
        (f"{HEADER}\n0,0,5\n0,1,5\n0,0,5\n", "numbered 0, 1"),
        (f"{HEADER}\n0,1,5\n", "numbered 0, 1"),
        (f"{HEADER}\n0,0,5\n0,2,5\n", "numbered 0, 1"),
        (f"{HEADER}\n1,0,5\n", "numbered 0, 1"),
        (f"{HEADER}\n0,0,5\n2,0,5\n", "numbered 0, 1"),
        (f"{HEADER}\n0,0,5\n1,1,5\n", "numbered 0, 1"),
        ("process,elapsed_ns\n0,5\n", "columns"),
        ("", "columns"),
        (f"{HEADER}\n0,0,99999999999999999999\n", "three integers are needed"),
    ],
)
def test_malformed_samples_are_refused(tmp_path, text, message):
    path = tmp_path / "samples.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_samples(path)


def test_samples_round_trip(tmp_path):
    sessions = [steady_samples(processes=2), steady_samples(processes=3)]
    write_samples(tmp_path / "s.csv", sessions)
    again = read_samples(tmp_path / "s.csv")
    assert [len(session) for session in again] == [2, 3]
    for left, right in zip(list_processes(again), list_processes(sessions), strict=True):
        np.testing.assert_array_equal(left, right)
    write_samples(tmp_path / "s.csv", [])
    assert read_samples(tmp_path / "s.csv") == []


def test_records_are_not_changed_by_building(tmp_path):
    session = measured_session(steady_samples())
    before = copy.deepcopy(session.record)
    build_result(make_facts("0" * 64), OK, [session])
    assert session.record == before


def test_a_result_that_counts_a_session_twice_is_refuted(tmp_path):
    path = store_sessions(tmp_path, [steady_samples(), steady_samples()])
    assert len(read_result(path)["sessions"]) == 2  # equal times, begun at two moments

    def begin_at_once(document):
        document["sessions"][1]["started_at_unix_s"] = document["sessions"][0]["started_at_unix_s"]
        document.update(seal(document))

    def name_one(document):
        document["sessions"][1]["attempt"] = document["sessions"][0]["attempt"]
        document["sessions"][1]["started_at_unix_s"] = 5.0
        document.update(seal(document))

    edit(path, begin_at_once)
    with pytest.raises(UserError, match=r"result\.json: counts .*/0002-\w+ and .*/0001-\w+, which are one session"):
        read_result(path)
    edit(path, name_one)
    with pytest.raises(UserError, match=r"counts .*/0001-\w+ and .*/0001-\w+, which are one session"):
        read_result(path)
