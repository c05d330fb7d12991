"""A certificate concludes nothing from a search that ran out of effort."""

import json

import pytest
from edgeproof.core.program_start import run
from edgeproof.plans.cli import main
from edgeproof.plans.outcome import infeasibility
from edgeproof.plans.outcome.infeasibility import explain_infeasibility, is_feasible, relax_both_caps
from edgeproof.plans.outcome.plan_document import build_plan_document
from edgeproof.plans.outcome.plan_tables import render_plan_text
from edgeproof.plans.outcome.planning import Request, plan_scenario
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.loading import load_scenario, parse_scenario
from edgeproof.plans.solver.search import Effort, find_by_levels
from edgeproof.plans.verifier.verification import verify_plan

LITTLE = Effort(labels=1, seconds=0.01)
UNFINISHED = "the limit on effort came first"
ENOUGH = "enough, but not proved to be the least"


@pytest.fixture
def conflict(planner_data):
    return load_scenario(planner_data / "cases" / "conflict-when-effort-ends.json")


@pytest.fixture
def out_of_effort(monkeypatch):
    """Let every search after the first `count` end without a plan and without a proof."""

    def spend(count=0):
        asked = []

        def search(problem, levels, caps, top_k, effort):
            asked.append(caps)
            answer = find_by_levels(problem, levels, caps, top_k, effort)
            if len(asked) <= count:
                return answer
            return answer.__class__(
                **{**vars(answer), "status": "unknown", "placements": (), "schedules": (), "objective": None}
            )

        monkeypatch.setattr(infeasibility, "find_by_levels", search)

    return spend


def test_the_conflict_has_the_limit_that_cannot_be_met(conflict):
    full = explain_infeasibility(Problem(conflict), Effort(labels=48, seconds=0.2))
    assert (full.conflict, full.conflict_minimal) == (("memory_mb of sensor",), True)
    short = explain_infeasibility(Problem(conflict), LITTLE)
    assert "memory_mb of sensor" in short.conflict and not short.conflict_minimal


def test_the_command_says_that_the_conflict_may_be_larger_than_needed(planner_data, capsys):
    path = str(planner_data / "cases" / "conflict-when-effort-ends.json")
    assert run(main, ["solve", path, "--max-labels", "1", "--effort", "0.01"]) == 1
    said = capsys.readouterr().err
    assert "memory_mb of sensor" in said and "before it was proved that all of these are needed" in said
    assert run(main, ["solve", path, "--max-labels", "48", "--effort", "0.2"]) == 1
    assert "no placement keeps memory_mb of sensor\n" in capsys.readouterr().err


def test_the_verifier_refutes_no_unfinished_certificate(conflict):
    request = Request(effort=LITTLE, front=False, draws=0)
    document = build_plan_document(plan_scenario(conflict, request))
    assert document["infeasibility"]["conflict_minimal"] is False
    verdict = verify_plan(document, conflict)
    assert verdict.ok, verdict.failures


def test_unknown_is_neither_yes_nor_no(conflict, out_of_effort):
    problem = Problem(conflict)
    assert is_feasible(problem, problem.caps, Effort()) is False
    out_of_effort()
    assert is_feasible(problem, problem.caps, Effort()) is None


@pytest.mark.parametrize(("finished", "reason"), [(0, UNFINISHED), (1, ENOUGH), (99, None)])
def test_the_factor_on_both_caps_says_what_is_not_proved(planner_data, out_of_effort, finished, reason):
    problem = Problem(load_scenario(planner_data / "random_06.json"))
    least, _ = relax_both_caps(problem)
    out_of_effort(finished)
    factor, said = relax_both_caps(problem)
    assert said == reason
    assert factor is None if finished == 0 else factor >= least


def test_two_caps_that_cannot_help_say_so(planner_data):
    document = json.loads((planner_data / "random_06.json").read_text())
    for device in document["devices"]:
        device["memory_mb"] = 1
    infeasibility = explain_infeasibility(Problem(parse_scenario(document)))
    assert (infeasibility.both_caps_factor, infeasibility.both_caps_reason) == (None, "these two limits cannot help")


@pytest.mark.parametrize(("finished", "reason"), [(0, UNFINISHED), (1, ENOUGH), (99, None)])
@pytest.mark.parametrize("execution", ["serial", "scheduled"])
def test_a_deadline_says_what_is_not_proved(two_stages, out_of_effort, finished, reason, execution):
    two_stages["execution"] = execution
    two_stages["stages"][1]["deadline_ms"] = 1
    problem = Problem(parse_scenario(two_stages))
    out_of_effort(finished)
    needed, said = infeasibility._least_deadline(problem, 1, Effort())
    one_word = execution == "scheduled" and finished == 99
    assert said == ("the least, on the word of one engine" if one_word else reason)
    # The fastest placement runs both on the npu, which has no room for both: cpu 4, crossing 1.5, npu 3.
    assert needed is None if finished == 0 else needed == pytest.approx(8.5, abs=1e-6)


def test_the_text_names_both_the_need_and_the_doubt(planner_data, out_of_effort):
    out_of_effort(1)
    scenario = load_scenario(planner_data / "random_06.json")
    outcome = plan_scenario(scenario, Request(front=False, draws=0))
    text = render_plan_text(build_plan_document(outcome))
    assert UNFINISHED in text
