"""The planner's benchmark on small families: its document is valid, and a missed target is said."""

from edgeproof.bench import planner
from edgeproof.bench.scenario_families import draw_chain, draw_graph, draw_tight_chain
from edgeproof.core.documents import validate


def test_the_document_is_valid_and_every_case_is_told(monkeypatch):
    monkeypatch.setattr(planner, "draw_capped_chain", lambda seed, stages, devices: draw_chain(seed, 6, 3))
    monkeypatch.setattr(planner, "draw_chain", lambda seed, stages, devices: draw_chain(seed, 6, 3))
    monkeypatch.setattr(planner, "draw_graph", lambda seed, stages, devices: draw_graph(seed, 6, 3))
    monkeypatch.setattr(planner, "draw_alternating_chain", lambda seed: draw_chain(seed, 6, 3))
    monkeypatch.setattr(planner, "draw_tight_chain", lambda seed, stages: draw_tight_chain(seed, 6))
    told = []
    report = validate(planner.measure_planner(told.append), "bench-plans", "here")
    assert told == report["cases"] and len(told) == 9
    assert all(case["proven"] == case["instances"] for case in told)
    crossing = next(case for case in told if case["name"].startswith("104,976"))
    assert crossing["baseline"] == "plain branch and bound" and crossing["ratio_least"] <= crossing["ratio_median"]


def test_a_target_that_is_missed_is_said(monkeypatch):
    monkeypatch.setattr(planner, "draw_chain", lambda seed, stages, devices: draw_chain(seed, 4, 2))
    clock = iter(range(100))
    monkeypatch.setattr(planner.time, "perf_counter", lambda: next(clock))
    case = planner._long_chain()
    assert (case["seconds_median"], case["met"]) == (1, False)
