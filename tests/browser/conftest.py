"""Pages of made-up campaigns, and a browser to look at them: the system's Chromium, driven by Playwright."""

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from edgeproof.bench.judging_cost import run_part, write_large_campaign
from edgeproof.bench.made_up_campaigns import make_campaign, write_calibration, write_wanted
from edgeproof.evidence.rendering import write_report
from playwright.sync_api import sync_playwright

from ..unit.evidence.conftest import CELLS, COMPARISONS, NOISE

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SIZES = {"cells": 300, "processes": 5, "samples": 200, "comparisons": 150, "pairs": 10}
WIDTHS = (390, 1280, 1920)


class Written(NamedTuple):
    """The pages of a campaign. `root`: what has `results/`; `pages`: by name."""

    root: Path
    pages: dict[str, Path]


@pytest.fixture(scope="session")
def hasty_disk():
    """Files are written without waiting for the disk: thousands are made up here, and no power is cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session")
def small(hasty_disk, tmp_path_factory):
    """A campaign in which everything happens that can happen, on one page; a cell that crashed has left a log."""
    root = tmp_path_factory.mktemp("small")
    with contextlib.chdir(root):
        write_calibration("desk")
        write_calibration("board", sessions=1, spread=0.06, provenance="simulated")
        snapshot = make_campaign(root, CELLS, COMPARISONS)
        (attempt,) = Path("results/runs/squeezenet").glob("*/*/int8-dynamic/attempts/*")
        (attempt / "agent.log").write_text("Segmentation fault\n")
        write_wanted(root / "results/evidence/trial", snapshot, noise=NOISE)
        page = root / "results/evidence/trial/report.html"
        write_report(snapshot, [], page, page.with_suffix(".md"), NOISE)
    return Written(root, {"report": page})


@pytest.fixture(scope="session")
def large(hasty_disk, tmp_path_factory):
    """A campaign of 300 cells and 150 comparisons: a first page, and a page per model."""
    root = tmp_path_factory.mktemp("large")
    write_large_campaign(root, SIZES)
    with contextlib.chdir(root):
        for part in ("comparisons", "decisions"):
            run_part(part)
        snapshot = json.loads(Path("campaign.json").read_text())["snapshot"]
        page = root / "results/evidence/trial/report.html"
        write_report(snapshot, [], page, page.with_suffix(".md"))
    return Written(root, {"report": page, "model": page.parent / "models/model-0000.html"})


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium."""
    if BROWSER is None:
        pytest.fail("no Chromium here: make test-browser installs Debian's")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture
def show(browser):
    """A function that opens a page in a window of its own and returns it; what fails in its program fails the test."""
    opened, faults = [], []

    def open_page(path, width=1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield open_page
    for context in opened:
        context.close()
    assert faults == []
