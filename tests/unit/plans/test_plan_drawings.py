"""The drawings of the plan page: what they show, where it stands, and that names are escaped."""

import re

import pytest
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.plan_drawings import draw_front, draw_timeline
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.loading import parse_scenario


def make_document(scenario, **asked):
    return build_plan_document(plan_scenario(parse_scenario(scenario), Request(**{"goal": "min-latency", **asked})))


def test_a_timeline_has_a_lane_per_device_a_bar_per_stage_and_an_arrow_per_transfer(two_stages):
    drawing = draw_timeline(make_document(two_stages)["plans"][0])
    assert (drawing.count('class="lane"'), drawing.count("<rect"), drawing.count('class="arrow"')) == (2, 2, 1)
    assert "1. first on cpu: 0.000 to 4.000 ms" in drawing and "2. second on npu: 5.500 to 8.500 ms" in drawing
    assert "first to second: 10 MB cpu → npu, 1.500 ms" in drawing


def test_bars_are_as_wide_as_their_stages_take(two_stages):
    drawing = draw_timeline(make_document(two_stages)["plans"][0])
    first, second = (float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', drawing))
    assert first / second == pytest.approx(4 / 3, rel=1e-3)


def test_a_front_shows_points_plans_and_caps(two_stages):
    two_stages["constraints"] = {"max_total_latency_ms": 9, "max_total_energy_mj": 8}
    document = make_document(two_stages)
    drawing = draw_front(document)
    points = [len(document["pareto"][name]["points"]) for name in ("without_caps", "with_caps")]
    assert [drawing.count(f'class="{kind}"') for kind in ("free", "kept", "plan")] == [*points, len(document["plans"])]
    assert drawing.count('class="cap"') == 2 and "latency in ms" in drawing


def test_without_energy_or_fronts_there_is_no_drawing(two_stages):
    assert draw_front(make_document(two_stages, front=False)) == ""
    del two_stages["stages"][0]["profiles"]["cpu"]["energy_mj"]
    assert draw_front(make_document(two_stages)) == ""


def test_names_are_escaped(two_stages):
    two_stages["stages"][0]["name"] = '<b>"&'
    drawing = draw_timeline(make_document(two_stages)["plans"][0])
    assert "&lt;b&gt;&quot;&amp;" in drawing and "<b>" not in drawing
