"""The tool as it behaves, and as it misbehaves: it dies, stalls, floods, prints something else."""

import pytest
from edgeproof.agent.failures import NoVerdict
from edgeproof.agent.samplers.recorder import Recorder

from .stand_in_boards import LINES, read_rows, record, tegrastats_command, values_of, wait_until

ORIN = "orin-nx-16gb-lama.log"


def sampler(how="run", count=0, lines=ORIN, **options):
    return {"name": "tegrastats", "command": tegrastats_command(lines, how, count), "interval_ms": 2, **options}


def test_power_is_the_first_number_of_the_rail_and_no_average(tmp_path):
    report, rows = record([sampler()], tmp_path, lambda rows: len(values_of(rows, "total_w")) >= 18)
    assert values_of(rows, "total_w")[:3] == [12.673, 8.82, 8.596]
    assert sum(values_of(rows, "total_w")[:18]) / 18 == pytest.approx(8.663278)  # of the averages it would be 8.23
    assert report["samplers"][0]["power"]["rails"] == ["VDD_IN"]
    assert values_of(rows, "memory_bytes:used")[0] == pytest.approx(6567 * 2**20)  # as procfs counts
    assert values_of(rows, "busy_share:gpu")[0] == 0.07
    raw = (tmp_path / "tegrastats.raw").read_text().splitlines()
    assert raw[0].partition("\t")[2] == (LINES / ORIN).read_text().splitlines()[0]


def test_no_line_is_lost_and_the_queue_stays_short(tmp_path):
    """400 lines at 2 ms; every one is in the raw log and in the telemetry."""
    recorder = Recorder([sampler("count", 400)], str(tmp_path))
    recorder.start()
    wait_until(lambda: recorder._samplers[0].describe()["reason"] is not None)
    assert len(recorder._samplers[0]._waiting) < 400 * 14  # the recorder drains it meanwhile
    report = recorder.stop()
    assert len(values_of(read_rows(tmp_path), "total_w")) == 400 == report["samplers"][0]["samples"]["total_w"]
    assert len((tmp_path / "tegrastats.raw").read_text().splitlines()) == 400


def test_one_that_dies_keeps_what_it_said_and_has_a_reason(tmp_path):
    recorder = Recorder([sampler("die", 5)], str(tmp_path))
    recorder.start()
    wait_until(lambda: recorder._samplers[0].describe()["reason"] is not None)
    report = recorder.stop()
    assert report["samplers"][0]["reason"] == "it ended by itself with exit code 3 after 5 lines"
    assert len(values_of(read_rows(tmp_path), "total_w")) == 5


def test_one_that_stalls_is_stopped(tmp_path):
    report, rows = record([sampler("stall", 4)], tmp_path, lambda rows: len(values_of(rows, "total_w")) == 4)
    assert report["samplers"][0]["reason"] is None and len(values_of(rows, "total_w")) == 4


def test_one_that_floods_is_held_back(tmp_path):
    recorder = Recorder([sampler("flood", interval_ms=1000)], str(tmp_path))
    recorder.start()
    wait_until(lambda: recorder._samplers[0]._skipped > 20_000)
    report = recorder.stop()
    assert "came faster than asked for" in report["samplers"][0]["notes"][-1]
    assert len(values_of(read_rows(tmp_path), "total_w")) <= 2100


def test_one_that_prints_something_else_gives_no_number(tmp_path):
    recorder = Recorder([sampler("garbage")], str(tmp_path))
    recorder.start()
    wait_until(lambda: recorder._samplers[0]._bad > 5)
    report = recorder.stop()
    assert report["samplers"][0]["reason"] == "no line came in" and read_rows(tmp_path) == []
    assert "are no lines of tegrastats" in report["samplers"][0]["notes"][0]


def test_a_sensor_that_no_silicon_can_be_is_named(tmp_path):
    lines = sampler(lines="agx-orin-64gb-l4t35-nc-gdwr.log")
    report, rows = record([lines], tmp_path, lambda rows: len(values_of(rows, "total_w")) >= 1)
    assert values_of(rows, "total_w")[0] == 6.755 and report["samplers"][0]["power"]["kind"] == "derived"
    assert "sensor CV0 is left out: it says -256 °C" in report["samplers"][0]["notes"]
    assert not values_of(rows, "temperature_c:CV0") and values_of(rows, "temperature_c:CPU")[0] == 44.562


def test_one_that_is_not_installed_is_no_reason_to_stop_unless_it_is_required(tmp_path):
    options = {"name": "tegrastats", "command": [str(tmp_path / "none")]}
    report, _ = record([options], tmp_path / "out", lambda rows: True)
    assert "cannot be started" in report["samplers"][0]["reason"]
    with pytest.raises(NoVerdict, match=r"tegrastats: .*cannot be started"):
        Recorder([{**options, "required": True}], str(tmp_path / "out")).start()
