"""The last words of a run: ten lines at most, verdicts first, the page last, and never an old log's."""

import os

from edgeproof.core.closing import MOST, compose_closing, mark_file, read_if_new, shorten_list

PASSED = "Gate of campaign x passed; cells: 4 ok.\n\nEvery number and reason: results/evidence/x/report.html"
PAGE = "Every number and reason: results/evidence/x/report.html\nTo accept such cells, add throttled to gate.tolerate."


def make_gate(rows):
    table = "\n".join(f"  cell-{number}  failed: why" for number in range(rows))
    return f"GATE NOT PASSED: {rows} of 99 cells.\n{table}\n\nTolerated:\n  cell  throttled: why\n\n{PAGE}"


def test_verdicts_then_gate_then_page():
    assert compose_closing(f"a: faster\nb: equivalent\n\n{PASSED}", []) == [
        "a: faster",
        "b: equivalent",
        "Gate of campaign x passed; cells: 4 ok.",
        "Every number and reason: results/evidence/x/report.html",
    ]


def test_a_large_campaign_still_ends_in_ten_lines():
    verdicts = "\n".join(["a: faster", "b: faster", "… and 697 more comparisons"])
    lines = compose_closing(f"{verdicts}\n\n{make_gate(90)}", [])
    assert len(lines) <= MOST
    assert lines[:3] == verdicts.splitlines()
    assert "GATE NOT PASSED: 90 of 99 cells." in lines
    assert lines[-2:] == PAGE.splitlines()


def test_few_failing_cells_are_all_named():
    lines = compose_closing(f"a: faster\n\n{make_gate(2)}", [])
    assert lines[1:4] == ["GATE NOT PASSED: 2 of 99 cells.", "  cell-0  failed: why", "  cell-1  failed: why"]


def test_deployment_is_told_where_all_lines_fit():
    told = f"a: faster\n\nDeployment: deployable a\n\n{PASSED}"
    assert compose_closing(told, [])[1] == "Deployment: deployable a"
    verdicts = "\n".join(f"{number}: faster" for number in range(8))
    lines = compose_closing(f"{verdicts}\n\nDeployment: deployable 1\n\n{PASSED}", [])
    assert lines == [*verdicts.splitlines(), *PASSED.split("\n\n")]
    assert "Deployment: deployable 1" in compose_closing(f"{verdicts}\n\nDeployment: deployable 1\n\n{PASSED}", [], 25)


def test_without_a_gate_the_failures_are_told():
    failures = ["Failed: 1 job", "  measure_run x: why"]
    assert compose_closing("", failures) == failures
    assert compose_closing("error: results/x.json: was edited", failures)[0] == "error: results/x.json: was edited"


def test_failures_and_page_fit_together():
    lines = compose_closing(make_gate(30), [f"line {number}" for number in range(9)])
    assert len(lines) == MOST and lines[-2:] == PAGE.splitlines()


def test_what_an_earlier_run_said_is_not_repeated(tmp_path):
    log = tmp_path / "gate.log"
    assert mark_file(log) is None and read_if_new(log, None) == ""
    log.write_text("Gate passed\n")
    before = mark_file(log)
    os.utime(log, (2e9, 2e9))  # a wrong clock
    before = mark_file(log)
    assert read_if_new(log, before) == ""
    log.unlink()
    assert read_if_new(log, before) == ""
    log.write_text("Gate passed\n")  # now older than before, by the clock
    assert read_if_new(log, before) == "Gate passed"


def test_lists_are_cut_with_a_count():
    assert shorten_list(["a", "b"], 2, "more") == ["a", "b"]
    assert shorten_list(["a", "b", "c"], 2, "more") == ["a", "  … and 2 more"]
    assert shorten_list(["a"], 0, "more") == []


def test_many_verdicts_leave_room_for_what_failed():
    verdicts = "\n".join(f"c-{number}: faster" for number in range(8))
    table = "\n".join(["  m/a  failed (crashed): out of memory", "  m/b  unsupported: no such provider"])
    lines = compose_closing(f"{verdicts}\n\nGATE NOT PASSED: 2 of 8 cells.\n{table}\n\n{PAGE}", [])
    assert len(lines) == MOST
    assert lines[0] == "c-0: faster" and lines[4] == "  … and 4 more lines on the page"
    assert lines[5:] == ["GATE NOT PASSED: 2 of 8 cells.", *table.splitlines(), *PAGE.splitlines()]
