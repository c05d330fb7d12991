"""Power, energy, temperature and memory of a result follow from the telemetry of its attempts."""

import json

import pytest
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.seals import seal
from edgeproof.runs.results import read_result
from edgeproof.runs.run_power import WatchedSession, find_sampler_fault
from edgeproof.runs.telemetry_files import path_in_attempt, read_telemetry

from .test_results import store
from .watched import IDLE_W, describe_sampler, joules_of, store_watched

WATTS = (6.0, 6.1, 6.2)


def labels_of(result):
    return [entry["label"] for entry in result["labels"]]


def test_energy_is_power_in_the_windows_over_inferences(tmp_path):
    result = read_result(store_watched(tmp_path))
    power, energy = result["power"], result["energy"]
    assert power["mean_w"] == pytest.approx(6.1) and power["peak_w"] == 6.2 and power["idle_w"] == pytest.approx(IDLE_W)
    assert (power["boundary"], power["rails"], power["kind"]) == ("module", ["VDD_IN"], "measured")
    assert energy["value_j"] == pytest.approx(joules_of(result, WATTS))
    assert energy["low_j"] < energy["value_j"] < energy["high_j"] and energy["boundary"] == "module"
    assert energy["net_j"] == pytest.approx(joules_of(result, [watts - IDLE_W for watts in WATTS]))
    assert 0 < energy["budget"]["total"] < 0.02 and energy["net_error"] > energy["budget"]["total"]
    assert [process["power"]["mean_w"] for process in result["processes"]] == pytest.approx(list(WATTS))


def test_temperature_and_memory_are_of_the_windows_too(tmp_path):
    result = read_result(store_watched(tmp_path))
    heat, memory = result["temperature"], result["memory"]
    assert heat["sensor"] == "gpu" and heat["sampler"] == "procfs" and 40 < heat["mean_c"] < heat["peak_c"]
    assert memory == {
        "mean_bytes": 3000000,
        "peak_bytes": 3000000,
        "boundary": "process",
        "sampler": "procfs",
        "reason": None,
    }


def test_without_samplers_every_figure_is_null_with_a_reason(tmp_path):
    result = read_result(store(tmp_path))
    for part in ("power", "energy", "temperature", "memory"):
        assert result[part]["reason"].startswith("no ") and result[part]["sampler"] is None
    assert result["processes"][0]["power"] is None and result["sessions"][0]["telemetry"] is None
    simulated = read_result(store(tmp_path, provenance="simulated"))
    assert simulated["energy"]["reason"] == "a simulated run uses no power"


def test_telemetry_that_was_changed_or_removed_is_refused(tmp_path):
    path = store_watched(tmp_path)
    telemetry = path_in_attempt(tmp_path / "attempts/0001-0123abcd")
    whole = telemetry.read_text()
    telemetry.write_text(whole.replace(",6.1\n", ",5.1\n"))
    with pytest.raises(UserError, match="was changed since it was measured"):
        read_result(path)
    telemetry.unlink()
    with pytest.raises(UserError, match="is missing; power and energy cannot be computed again"):
        read_result(path)
    telemetry.write_text(whole)
    assert read_result(path)["energy"]["value_j"] > 0


EDITS = {
    "energy.value_j": lambda result: result["energy"].update(value_j=1e-9),
    "energy.budget.quantisation": lambda result: result["energy"]["budget"].update(quantisation=0.0),
    "power.mean_w": lambda result: result["power"].update(mean_w=1.0),
    "power.boundary": lambda result: result["power"].update(boundary="wall"),
    "temperature.peak_c": lambda result: result["temperature"].update(peak_c=1.0),
    "memory.mean_bytes": lambda result: result["memory"].update(mean_bytes=1),
    "processes[].power[0].energy_j": lambda result: result["processes"][0]["power"].update(energy_j=1e-9),
}


@pytest.mark.parametrize("key", EDITS)
def test_a_figure_that_does_not_follow_is_named(tmp_path, key):
    path = store_watched(tmp_path)
    result = json.loads(path.read_text())
    EDITS[key](result)
    del result["document_sha256"]
    path.write_text(json.dumps(seal(result)))  # resealed, so that only computing it again finds it
    with pytest.raises(UserError) as caught:
        read_result(path)
    assert f": {key} is " in str(caught.value) and "the telemetry of its attempts give" in str(caught.value)


def test_the_first_sampler_with_enough_samples_gives_the_power(tmp_path):
    broken = describe_sampler("tegrastats", power=None, reason="it ended by itself", samples={})
    result = read_result(store_watched(tmp_path, samplers=[broken, describe_sampler()]))
    assert result["power"]["sampler"] == "hwmon" and labels_of(result) == ["sampler"]
    assert result["labels"][0]["message"] == "tegrastats: it ended by itself"


def test_an_energy_beyond_the_budget_is_refused_and_says_why(tmp_path):
    coarse = describe_sampler(quantum=4.0)
    result = read_result(store_watched(tmp_path, samplers=[coarse]))
    assert result["energy"]["value_j"] is None and result["power"]["mean_w"] is None
    assert "more than 10%" in result["energy"]["reason"] and "quantisation" in result["energy"]["reason"]


def test_a_board_that_says_so_while_measured_is_throttled(tmp_path):
    nvml = describe_sampler("nvml", power=None)
    during, apart = 50_100_000_000, 48_500_000_000
    more = [f"{at},nvml,throttled:gpu0,{value}" for at, value in ((apart, 1), (during, 0))]
    calm = read_result(store_watched(tmp_path, samplers=[describe_sampler(), nvml], more=more))
    assert calm["status"] == "ok" and calm["sessions"][0]["telemetry"]["throttled"] == []
    more = [f"{during},nvml,throttled:gpu0,1"]
    result = read_result(store_watched(tmp_path, samplers=[describe_sampler(), nvml], more=more))
    assert result["status"] == "throttled" and "nvml throttled:gpu0" in result["reason"]["message"]


def test_throttling_that_the_telemetry_does_not_show_is_found(tmp_path):
    path = store_watched(tmp_path)
    result = json.loads(path.read_text())
    result["sessions"][0]["telemetry"]["throttled"] = ["nvml throttled:gpu0"]
    path.write_text(json.dumps(seal({key: result[key] for key in result if key != "document_sha256"})))
    with pytest.raises(UserError, match="status is 'ok', the evidence in it says 'throttled'"):
        read_result(path)


def watched(path):
    described = json.loads(path.read_text())["sessions"][0]["telemetry"]
    return described, read_telemetry(path_in_attempt(path.parent / "attempts/0001-0123abcd"))


def test_a_required_sampler_without_enough_samples_is_a_fault(tmp_path):
    described, series = watched(store_watched(tmp_path))

    def fault(**changes):
        samplers = [{**described["samplers"][0], "required": True, **changes}]
        return find_sampler_fault(WatchedSession({**described, "samplers": samplers}, series))

    assert fault() is None and fault(required=False, reason="it ended") is None
    assert fault(reason="it ended") == "hwmon: it ended"
    assert "no sample of its power" in fault(id="rapl") and "more than 10%" in fault(quantum=4.0)
    assert fault(id="procfs", power=None) is None
    assert fault(id="nothing", power=None) == "nothing: process 0: no sample while it was measured"


def test_a_result_without_its_optional_parts_is_valid_and_so_is_one_with_them(tmp_path):
    for path in (store(tmp_path), store_watched(tmp_path / "watched")):
        assert validate(json.loads(path.read_text()), "result", path)["schema"] == "edgeproof.result.v4"


def test_a_telemetry_file_with_another_shape_is_refused(tmp_path):
    path = tmp_path / "telemetry.csv"
    for text, words in (
        ("at,value\n", "the columns must be"),
        ("at_ns,sampler,channel,value\n1,a\n", "row 2 is not one of telemetry"),
        ("at_ns,sampler,channel,value\n1,a,b,nan\n", "is not finite"),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=words):
            read_telemetry(path)
