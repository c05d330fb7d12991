"""The no-op benchmark: both workflows make the same files, and a case is judged by the rule of its size."""

import pytest
from edgeproof.bench import noop
from edgeproof.core.documents import validate

SAID = "Nothing to be done (all requested files are present and up to date)."


@pytest.fixture
def starts(monkeypatch):
    """What is started instead of Snakemake: ours takes `ours` seconds, a bare Snakefile one."""
    seconds, started = {"ours": 1.2, "bare": 1.0}, []

    def start(folder, options):
        started.append((folder.name, [option for option in options if option in ("-n", "--summary", "--touch")]))
        return seconds[folder.name.split("-")[0]], SAID

    monkeypatch.setattr(noop, "_start", start)
    return seconds, started


def test_every_case_is_measured_in_turn(tmp_path, starts):
    _, started = starts
    told = []
    report = validate(noop.measure_noop(tmp_path, 2, told.append, (8, 48)), "bench-noop", "here")
    assert [(case["name"], case["cells"]) for case in report["cases"]] == [("no-op", 8), ("dry-run", 48), ("no-op", 48)]
    assert told == report["cases"] and report["met"]
    assert [name for name, options in started if not options] == ["ours-8", "bare-8"] * 2 + ["ours-48", "bare-48"] * 2


@pytest.mark.parametrize(
    ("ours", "met"),
    [(1.25, [True, True, True]), (1.5, [True, True, False]), (1.7, [False, True, False]), (2.5, [False] * 3)],
)
def test_the_smaller_is_judged_by_seconds_and_the_larger_by_the_ratio(tmp_path, starts, ours, met):
    starts[0]["ours"] = ours
    assert [case["met"] for case in noop.measure_noop(tmp_path, 1, sizes=(8, 48))["cases"]] == met


def test_a_workflow_with_something_to_do_is_no_no_op(tmp_path, monkeypatch):
    monkeypatch.setattr(noop, "_start", lambda folder, options: (1.0, "3 of 9 steps (33%) done"))
    with pytest.raises(RuntimeError, match="something was to be done"):
        noop.measure_noop(tmp_path, 1, sizes=(4, 8))


@pytest.mark.campaign
@pytest.mark.workflow
def test_the_bare_snakefile_makes_the_same_files_and_then_nothing(tmp_path):
    ours, bare = noop.write_campaign(tmp_path / "ours", 44), noop.write_bare(tmp_path / "bare", 44)
    names = noop.list_files(ours, noop.OURS)
    assert sorted(names) == sorted(noop.list_files(bare, noop.BARE))
    assert "results/evidence/large/models/model-0000.html" in names
    for folder, options in ((ours, noop.OURS), (bare, noop.BARE)):
        noop.prepare_noop(folder, options)
        assert "Nothing to be done" in noop._start(folder, options)[1]
