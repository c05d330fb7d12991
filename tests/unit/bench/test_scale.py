"""The benchmark of scale, at a small size: every part is run, pages are weighed, the longest command is found."""

from pathlib import Path

import pytest
from edgeproof.bench import judging_cost, scale
from edgeproof.core.documents import validate

SIZES = {"cells": 44, "processes": 2, "samples": 60, "comparisons": 4, "pairs": 4}
FIGURES = {"seconds": 1.5, "cpu_seconds": 1.0, "peak_bytes": 10}
SHELL = "Shell command: python scripts"
SAID = f"Job 1: x\n{SHELL}/a.py --key 1\n{SHELL}/b.py --key 'äöü'\nReason: python\n"


@pytest.fixture
def processes(monkeypatch):
    """What is done instead of starting processes: the dry run says SAID, and a report is written."""
    started = []

    def measure(arguments, folder, output=None):
        started.append([Path(arguments[0]).name, *arguments[1:2]])
        if output:
            output.write_text(SAID)
        if arguments[0].endswith("write_report.py"):
            pages = folder / "results/evidence/trial/models"
            pages.mkdir()
            for name, size in (
                ("../report.html", 10),
                ("../report.md", 20),
                ("a.html", 300),
                ("b.html", 400),
                ("a.md", 5),
            ):
                (pages / name).write_bytes(b"x" * size)
        return FIGURES

    monkeypatch.setattr(scale, "measure_process_cost", measure)
    return started


def test_every_part_is_measured_and_pages_are_weighed(tmp_path, processes):
    told = []
    report = validate(scale.measure_scale(tmp_path, SIZES, told.append), "bench-scale", "here")
    assert [part["name"] for part in told] == ["dry-run", "comparisons", "decisions", "report", "gate"]
    assert processes[0] == ["-m", "snakemake"]
    assert report["pages"] == {
        "first_bytes": 10,
        "first_markdown_bytes": 20,
        "models": 2,
        "largest_model_bytes": 400,
        "all_bytes": 735,
    }
    assert (report["longest_command_bytes"], report["met"]) == (34, True)


def test_a_first_page_that_is_too_large_is_no_success(tmp_path, processes, monkeypatch):
    monkeypatch.setattr(scale, "FIRST_PAGE", 9)
    assert not scale.measure_scale(tmp_path, SIZES)["met"]


def test_comparisons_are_spread_over_the_models(here):
    judging_cost.write_large_campaign(here, SIZES | {"cells": 16})
    assert len({path.name for path in (here / "results/comparability/trial").iterdir()}) == 4
    plan = (here / "campaign.json").read_text()
    assert all(f'"pair-000{number}": [["model-000{number}"' in plan for number in range(4))


@pytest.mark.campaign
@pytest.mark.workflow
def test_no_command_grows_with_the_campaign(tmp_path):
    longest = {}
    for cells, comparisons in ((8, 1), (80, 20)):
        folder = scale.write_campaign(tmp_path / f"cells-{cells}", cells, comparisons)
        said = tmp_path / f"{cells}.txt"
        judging_cost.measure_process_cost(["-m", "snakemake", *scale.OURS, "-n", "-p"], folder, said)
        longest[cells] = scale.find_longest_command(said.read_text())
    assert longest[8] > 1000
    assert longest[80] <= longest[8] + 20  # a larger number of comparisons has more digits
