"""What failed: each reason once, with its cells and their logs."""

from pathlib import Path

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.failed_cells import describe_failures, find_failure_anchors, list_failures, name_failures

from .conftest import NOISE

PAGE = "results/evidence/trial/report.html"


@pytest.fixture
def evidence(campaign):
    return collect_evidence(campaign, [], NOISE)


def test_failures_of_one_kind_are_told_once(evidence):
    failing = [item for item in evidence.cells if item.verdict["state"] == "failing"]
    alike = [
        item._replace(verdict={**item.verdict, "reasons": [f"killed after {number} s"]})
        for number, item in enumerate(failing * 3)
    ]
    told = list_failures(alike)
    assert [kind["count"] for kind in told["kinds"]] == [f"{len(alike)} cells"]
    (kind,) = told["kinds"]
    assert (kind["reason"], kind["more"], told["more"]) == ("killed after 0 s", len(alike) - 3, 0)
    apart = [
        item._replace(verdict={**item.verdict, "reasons": [letter]})
        for item, letter in zip(alike, "abcdefghi", strict=False)
    ]
    told = list_failures(apart)
    assert (len(told["kinds"]), told["more"]) == (6, len(apart) - 6)


def test_a_reason_that_stops_several_cells_is_one_entry(here):
    cells = [{"precision": name, "kind": "crashed", "message": "no memory"} for name in ("fp32", "fp16")]
    failures = describe_failures(collect_evidence(make_campaign(here, [*cells, {"precision": "int8"}])).cells, PAGE)
    (failure,) = failures
    assert failure["reason"] == "failed (crashed): no memory"
    assert [cell["words"] for cell in failure["cells"]] == ["failed: crashed"] * 2
    assert set(find_failure_anchors(failures).values()) == {failure["anchor"]}
    head = name_failures(failures)
    assert [row["href"] for row in head["shown"]] == [f"#{failure['anchor']}"] * 2
    assert head["more"] == 0


def test_logs_are_linked_where_they_are_and_say_something(here):
    snapshot = make_campaign(here, [{"kind": "crashed"}, {"precision": "int8", "kind": "no_artifact"}])
    (attempt,) = Path("results/runs").glob("*/*/*/fp32/attempts/*")
    (attempt / "agent.log").write_text("Segmentation fault\n")
    (attempt / "session/process-000").mkdir(parents=True, exist_ok=True)
    (attempt / "session/process-000/log.txt").write_text("")
    built = Path("results/logs/build_onnx/digits-cnn/ort-cpu/host/int8.log")
    built.parent.mkdir(parents=True)
    built.write_text("unknown operator\n")
    failures = describe_failures(collect_evidence(snapshot).cells, PAGE)
    logs = {cell["label"]: cell["logs"] for failure in failures for cell in failure["cells"]}
    assert logs == {
        "digits-cnn · ort-cpu · fp32 · desk": [
            {"name": "agent.log", "href": f"../../{attempt.relative_to('results')}/agent.log"}
        ],
        "digits-cnn · ort-cpu · int8 · desk": [
            {"name": "build_onnx.log", "href": f"../../{built.relative_to('results')}"}
        ],
    }


def test_what_fails_comes_before_what_is_tolerated(here):
    cells = [{"kind": "throttled"}, {"precision": "int8", "kind": "crashed"}]
    failures = describe_failures(collect_evidence(make_campaign(here, cells), ["throttled"]).cells, PAGE)
    assert [failure["state"] for failure in failures] == ["failing", "tolerated"]
