"""What samplers saw over time: lanes on one axis, the latency on top, and every figure in words."""

import json
from types import SimpleNamespace

import pytest
from edgeproof.core.formatting import plain
from edgeproof.core.layout import Cell
from edgeproof.evidence.rendering import SaidOnce, _environment
from edgeproof.evidence.timelines import describe_power, draw_timelines
from edgeproof.runs.results import read_result

from ..runs.test_results import store
from ..runs.watched import describe_sampler, store_watched

CELL = Cell("m", "p", "d", "fp32")


def evidence(path):
    return SimpleNamespace(cell=CELL, result=read_result(path), paths={"result": str(path)})


def test_lanes_share_one_axis_and_the_latency_is_on_top(tmp_path):
    (drawn,) = draw_timelines([evidence(store_watched(tmp_path))])
    (session,) = drawn["sessions"]
    names = [lane["name"] for lane in session["lanes"]]
    assert names == ["Latency, median", "Power, module", "Temperature, gpu", "Memory, process"]
    assert len(session["windows"]) == 3 and len(session["idles"]) == 2
    assert all(0 <= window["x"] <= 100 and window["width"] > 0 for window in session["windows"])
    latency = session["lanes"][0]["path"]
    assert latency.count("M") == 3  # the line is not drawn between processes
    power = next(lane for lane in session["lanes"] if lane["name"] == "Power, module")
    assert (plain(power["low"]), plain(power["high"])) == ("2.000 W", "6.200 W")
    assert power["path"].startswith("M") and power["path"].count("L") < 2000


def test_a_counter_is_drawn_as_power(tmp_path):
    energy = describe_sampler(
        "rapl", power={"channel": "total_j", "boundary": "chip", "rails": ["p"], "kind": "measured"}
    )
    more = [f"{48_000_000_000 + n * 100_000_000},rapl,total_j,{n * 0.5}" for n in range(120)]
    (drawn,) = draw_timelines([evidence(store_watched(tmp_path, samplers=[energy], more=more))])
    lane = next(lane for lane in drawn["sessions"][0]["lanes"] if lane["name"] == "Power, chip")
    assert plain(lane["low"]) == plain(lane["high"]) == "5.000 W"


def test_cells_without_samplers_are_not_drawn(tmp_path):
    assert draw_timelines([evidence(store(tmp_path))]) == []


def test_every_figure_is_said_and_what_is_absent_has_its_reason(tmp_path):
    lines = [plain(line) for line in describe_power(read_result(store_watched(tmp_path)))]
    assert lines[0].startswith(
        "Power of the module (VDD_IN), by hwmon: 6.10 W on average, 6.20 W at most, 2.00 W when idle"
    )
    assert "error budget" in lines[1] and lines[2].startswith("Beyond idling: ")
    assert any("Temperature (gpu)" in line for line in lines) and any("Memory of the process" in line for line in lines)
    dark = store_watched(tmp_path / "dark", samplers=[describe_sampler(power=None, reason="not there")])
    assert plain(describe_power(read_result(dark))[0]) == "Power and energy: hwmon: not there."


def test_the_macro_draws_it(tmp_path):
    (drawn,) = draw_timelines([evidence(store_watched(tmp_path))])
    macro = _environment(True).get_template("report_timelines.html.j2").make_module({"why": SaidOnce()}).timeline
    html = str(macro(drawn))
    assert html.count('<path class="time"') == 4 and 'role="img"' in html and "Power, module" in html
    assert json.dumps(drawn)  # plain data


@pytest.mark.parametrize("count", [1, 3])
def test_throttling_has_a_lane_where_it_happened(tmp_path, count):
    nvml = describe_sampler("nvml", power=None)
    more = [f"{50_100_000_000 + n},nvml,throttled:gpu0,1" for n in range(count)]
    (drawn,) = draw_timelines([evidence(store_watched(tmp_path, samplers=[describe_sampler(), nvml], more=more))])
    assert "Throttled, nvml gpu0" in [lane["name"] for lane in drawn["sessions"][0]["lanes"]]
