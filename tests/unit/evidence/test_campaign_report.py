"""`edgeproof evidence report`: the campaign in 25 lines, in JSON, or in a file for a forge."""

import json
from xml.etree import ElementTree

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign, write_wanted
from edgeproof.core.errors import UserError
from edgeproof.evidence import campaign_report
from edgeproof.evidence.cli import main

FAILING = {"precision": "fp16", "kind": "wrong", "message": "it computes something else"}


@pytest.fixture
def report(here, capsys):
    """A function that makes a campaign of these cells and returns (exit code, what the verb says of it)."""

    def run(cells, *options):
        snapshot, folder = make_campaign(here, cells), here / "results/evidence/trial"
        folder.mkdir(parents=True, exist_ok=True)
        write_wanted(folder, snapshot)
        return main(["report", "trial", *options], here), capsys.readouterr().out

    return run


def test_a_campaign_that_passes(report):
    code, out = report([{}, {"precision": "int8"}])
    assert code == 0
    assert out.splitlines()[0] == "Gate of campaign trial passed; cells: 2 ok."
    assert out.splitlines()[-1] == "Every number and reason: results/evidence/trial/report.html"


def test_one_that_does_not_says_why_in_few_lines(report):
    code, out = report([{"model": f"model-{number}", **FAILING} for number in range(40)])
    assert code == 1
    assert len(out.splitlines()) == 25 and out.startswith("GATE NOT PASSED: 40 of 40 cells")
    assert "more lines on the page" in out


def test_json_has_every_entry(report):
    code, out = report([{}, FAILING], "--json")
    document = json.loads(out)
    assert (code, document["passed"]) == (1, False)
    assert [entry["state"] for entry in document["entries"]] == ["ok", "failing"]


def test_one_comparison_is_computed_again_from_its_pairs(here, capsys):
    sides = [("digits-cnn", "ort-cpu", "desk", name) for name in ("fp32", "int8")]
    apart = {"left": sides[0], "right": sides[1], "varies": ["precision"]}
    comparisons = [{"name": "faster", **apart, "ratio": 0.6}, {"name": "open", **apart, "ratio": 1.02, "spread": 0.03}]
    write_wanted(here / "results/evidence/trial", make_campaign(here, [{}, {"precision": "int8"}], comparisons))
    assert main(["report", "trial", "--comparison", "faster"], here) == 0
    assert capsys.readouterr().out.startswith("int8 is 1.67 times as fast as fp32 (")
    assert main(["report", "trial", "--comparison", "open"], here) == 3
    assert capsys.readouterr().out.startswith("Undecided: int8 takes ")
    with pytest.raises(UserError, match="trial: it has no comparison fastr; did you mean 'faster'"):
        main(["report", "trial", "--comparison", "fastr"], here)


@pytest.mark.parametrize("name", ["text", "markdown", "junit", "annotations"])
def test_every_format_is_written_to_a_file_or_printed(report, here, name):
    _, printed = report([{}, FAILING], "--format", name)
    code, out = report([{}, FAILING], "--format", name, "--output", "out/report.txt")
    assert (code, out) == (1, "")
    assert (here / "out/report.txt").read_text() == printed
    if name == "junit":
        assert ElementTree.fromstring(printed).tag == "testsuites"
    assert "computes something else" in printed


def test_colours_only_in_a_terminal_that_wants_some(report, monkeypatch):
    monkeypatch.setattr(campaign_report.sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = campaign_report._colour(["GATE NOT PASSED: why", "Gate of campaign x passed", "a: b", "  row"])
    assert coloured[0].startswith("\x1b[1m\x1b[31m") and coloured[1].startswith("\x1b[1m\x1b[32m")
    assert coloured[2] == "\x1b[1ma:\x1b[0m b" and coloured[3] == "  row"
    monkeypatch.setenv("NO_COLOR", "1")
    assert campaign_report._colour(["a: b"]) == ["a: b"]
