"""The planner's benchmark on small families: the user's path as a process, beside a plain model and a beam."""

import dataclasses

import pytest
from edgeproof.bench import planner
from edgeproof.bench.scenario_families import add_working_memory, draw_crowded_graph, draw_tight_chain
from edgeproof.core.documents import validate


def test_the_document_is_valid_and_every_case_is_told():
    case = planner.Case("small", lambda seed: add_working_memory(draw_tight_chain(seed, 6), seed), 1, 60.0)
    told = []
    report = validate(planner.measure_planner(told.append, (case,)), "bench-plans", "here")
    assert told == report["cases"] and len(told) == 1
    assert (told[0]["proven"], told[0]["plain_proven"], told[0]["instances"]) == (1, 1, 1)
    assert told[0]["ratio_median"] == pytest.approx(told[0]["plain_seconds_median"] / told[0]["seconds_median"])


def test_a_target_is_missed_by_gap_seconds_or_the_plain_model(monkeypatch):
    case = planner.Case("graph", lambda seed: draw_crowded_graph(seed, 6, 2), 1, 10.0)
    document = {"status": "optimal", "plans": [{}], "certificate": {"gap": 0.0, "objective": 2.0}}

    def measure(seconds, plain_seconds, gap=0.0, proved=True, case=case):
        document["certificate"]["gap"] = gap
        runs = iter([(seconds, ""), (plain_seconds, f'{{"proved": {str(proved).lower()}}}'), (0.1, '{"score": 2.0}')])
        monkeypatch.setattr(planner, "_run", lambda *_: next(runs))
        monkeypatch.setattr(planner.Path, "is_file", lambda _: True)
        monkeypatch.setattr(planner, "read_json", lambda *_: document)
        return planner._measure_case(case)

    assert measure(1.0, 0.9)["met"]
    assert not measure(11.0, 20.0)["met"]
    assert not measure(1.0, 0.7)["met"] and measure(1.0, 0.7, proved=False)["met"]
    assert not measure(1.0, 0.9, gap=0.1)["met"]
    assert measure(1.0, 0.9, gap=0.1, case=dataclasses.replace(case, seconds=None))["met"]
