"""A replay as a target: the same bytes every time, recomputed when read, void when its family has changed."""

import json
from pathlib import Path

import pytest
from edgeproof.adaptation.families import write_family
from edgeproof.adaptation.replay_documents import Replay, is_void, read_replay, write_replay
from edgeproof.adaptation.replay_page import list_stays, render_page
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.core.documents import read_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.seals import REMEDY, seal
from edgeproof.evidence.collecting import ReplayEvidence
from edgeproof.evidence.replays_shown import describe_replays

from .conftest import DECLARED, SOURCES
from .families_for_tests import write_trace

FOLDER = Path("results/adaptation/digits/desk/frugal/crowd")
POLICY = {"policy": "minimize-power", "limits": {"ram_reserve_mb": 100.0}, "guard": {"cooldown_s": 5.0}}
TRACE = {"file": "trace.jsonl", "initial": "full"}


@pytest.fixture
def replayed(filled):
    """The path of a replay's summary."""
    write_replay(Replay(filled, "frugal", POLICY, "crowd", TRACE), FOLDER / "decisions.jsonl", FOLDER / "summary.json")
    return FOLDER / "summary.json"


def test_a_replay_is_the_same_every_time(replayed, filled):
    before = [(FOLDER / name).read_bytes() for name in ("decisions.jsonl", "summary.json")]
    write_replay(Replay(filled, "frugal", POLICY, "crowd", TRACE), FOLDER / "decisions.jsonl", FOLDER / "summary.json")
    assert [(FOLDER / name).read_bytes() for name in ("decisions.jsonl", "summary.json")] == before


def test_what_a_summary_says(replayed):
    summary = read_replay(replayed)
    lines = [json.loads(line) for line in (FOLDER / "decisions.jsonl").read_text().splitlines()]
    assert summary["steps"] == 120 and len(lines) == 240 and summary["seconds"] == 119.0
    for mode in ("fixed", "seed"):
        figures, own = summary["modes"][mode], [line for line in lines if line["mode"] == mode]
        assert sum(figures["dwell_s"].values()) == 119.0 and sum(figures["rules"].values()) == 120
        committed = [code for line in own for code in line["codes"] if code.startswith("SWAP_COMMITTED")]
        assert figures["swaps"] == len(committed) == figures["codes"].get("SWAP_COMMITTED", 0)
        assert figures["worth"]["infeasible_s"] > 0  # 60 MB are less than the reserve
    assert summary["basis"]["heat"] == {"model": None, "reason": "the trace has no temperatures"}
    assert summary["family"]["provenance"] == ["declared", "measured"]


def test_a_replay_under_another_family_is_void(replayed, measured):
    make_campaign(measured, [{"precision": "int8", "median_ms": 0.5}])
    write_family("digits", "desk", DECLARED, SOURCES, "results/adaptation/digits/desk/family.json")
    assert is_void(read_sealed(replayed, "adaptation", REMEDY))
    with pytest.raises(UserError, match="void, not different"):
        read_replay(replayed)


def test_edits_are_noticed(replayed):
    document = json.loads(replayed.read_text())
    document["modes"]["fixed"]["swaps"] += 1
    replayed.write_text(json.dumps(seal(document)))
    with pytest.raises(UserError, match=r"modes.fixed.swaps"):
        read_replay(replayed)


def test_edited_decisions_are_noticed(replayed):
    decisions = FOLDER / "decisions.jsonl"
    decisions.write_text(decisions.read_text().replace('"rule":"same"', '"rule":"swap"', 1))
    with pytest.raises(UserError, match="is not what the trace gives"):
        read_replay(replayed)


def test_another_trace_is_noticed(replayed):
    write_trace(Path("trace.jsonl"), [{} for _ in range(120)])
    with pytest.raises(UserError, match=r"summary.json: trace.sha256"):
        read_replay(replayed)


def test_the_page_shows_both_guards(replayed):
    summary = read_replay(replayed)
    page = render_page(summary, FOLDER / "decisions.jsonl")
    assert page == render_page(summary, FOLDER / "decisions.jsonl")
    for text in ("EdgeAdapt 0.1.0 (seed)", "Our guard (fixed)", "Regret against the oracle", "quantized"):
        assert text in page
    stays = list_stays(FOLDER / "decisions.jsonl", summary)
    assert (stays["fixed"][0][0], stays["fixed"][-1][1]) == (0.0, 119.0)
    assert all(a[1] == b[0] and a[2] != b[2] for a, b in zip(stays["fixed"], stays["fixed"][1:], strict=False))


def test_the_page_names_what_was_contradicted_and_left_out(measured, filled):
    make_campaign(measured, [{"precision": "int8", "kind": "wrong", "message": "far off"}])
    declared = {"family": "digits", "variants": {name: {**item} for name, item in DECLARED["variants"].items()}}
    declared["variants"]["full"]["metadata"] = {"expected_latency_ms": 120.0}
    write_family("digits", "desk", declared, SOURCES, filled)
    write_replay(Replay(filled, "frugal", POLICY, "crowd", TRACE), FOLDER / "decisions.jsonl", FOLDER / "summary.json")
    page = render_page(read_replay(FOLDER / "summary.json"), FOLDER / "decisions.jsonl")
    assert "Left out: quantized, parity failed: far off." in page
    assert "full.expected_latency_ms: declared 120, measured 0.99" in page


def test_the_report_has_a_row_per_guard(replayed, filled):
    paths = {"summary": str(replayed), "page": "p.html", "decisions": "d.jsonl", "family": filled}
    (shown,) = describe_replays([ReplayEvidence(read_replay(replayed), paths)], "results/evidence/demo/report.html")
    assert shown["name"] == "digits on desk, frugal over crowd" and not shown["simulated"]
    assert [row["guard"] for row in shown["rows"]] == ["ours (fixed)", "EdgeAdapt's (seed)"]
    assert shown["links"][1]["href"] == "../../adaptation/digits/desk/frugal/crowd/summary.json"


@pytest.mark.parametrize(
    ("trace", "told"),
    [({"initial": "huge"}, "'huge' is no variant"), ({"load_s": {"huge": 1.0}}, "'huge' is no variant")],
)
def test_conditions_name_variants_of_the_family(filled, trace, told):
    with pytest.raises(UserError, match=told):
        write_replay(Replay(filled, "frugal", POLICY, "crowd", {**TRACE, **trace}), FOLDER / "d", FOLDER / "s")


def test_a_policy_that_makes_no_sense_is_refused(filled):
    policy = {"policy": "balanced", "latency_ceiling_ms": 10.0, "weights": {"accuracy": 0, "latency": 0, "power": 0}}
    with pytest.raises(UserError, match=r"config/selection/frugal\.yaml: the sum of the weights must be positive"):
        write_replay(Replay(filled, "frugal", policy, "crowd", TRACE), FOLDER / "d", FOLDER / "s")
