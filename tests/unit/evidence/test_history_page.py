"""The page of a campaign's history: every session drawn, the kernel beside it, and each step with its cause."""

import html
import json
import re

import numpy as np
import pytest
from edgeproof.bench.made_up_attempts import write_attempt
from edgeproof.bench.made_up_cells import MACHINE, MadeUpCell, make_session
from edgeproof.core.errors import UserError
from edgeproof.core.layout import Cell, run_folder
from edgeproof.evidence.history_page import render_history, write_history
from edgeproof.runs.cell_history import HistoricSession, describe_history, find_history_steps

from .parsed_page import Page


def read(text):
    """Return (tags, text) of a page, after checking that its elements nest."""
    return Page(text).tags, html.unescape(re.sub("<[^>]+>", "", text))


CELL = MadeUpCell().cell
NONE = Cell("digits-cnn", "ort-cpu", "desk", "int8")


def describe(levels, kernels):
    draw = np.random.default_rng(0)
    sessions = [
        HistoricSession(
            f"attempts/{number:04d}",
            86400.0 * number,
            float(level * draw.lognormal(0, 0.004)),
            float(kernel * draw.lognormal(0, 0.002)),
            "here",
            {"artifact": "x" if level == 2.0 else "y<z"},
        )
        for number, (level, kernel) in enumerate(zip(levels, kernels, strict=True))
    ]
    return describe_history("m/p/d/fp32", sessions, find_history_steps(sessions))


def test_a_step_is_drawn_where_it_is_and_says_what_changed():
    tags, text = read(render_history("trial", [describe([2.0] * 8 + [2.2] * 8, [100.0] * 16)]))
    (change,) = re.findall(r"([\d.]+)\s% slower from 1970-01-09.* on: artifact: x → y<z", text)
    assert 9 <= float(change) <= 11
    circles = [float(values["cx"]) for tag, values in tags if tag == "circle"]
    (line,) = [values["d"] for tag, values in tags if tag == "path"]
    assert len(circles) == 16 and sum(tag == "polyline" for tag, _ in tags) == 2
    assert circles[7] < float(re.match(r"M([\d.]+) ", line)[1]) < circles[8]


def test_a_step_of_the_kernel_too_is_the_machines():
    _, text = read(render_history("trial", [describe([2.0] * 8 + [2.2] * 8, [100.0] * 8 + [110.0] * 8)]))
    assert "on: the machine changed (the fixed kernel" in text


def test_sessions_of_the_store_are_shown_and_cells_without_any_say_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for more in range(2):
        samples = [np.full(50, 2_000_000 + more), np.full(50, 2_100_000)]
        write_attempt(run_folder(CELL), make_session(samples, "ok", "", {}), samples, MACHINE)
    write_history("trial", [CELL, NONE], "history.html", "history.json")
    document = json.loads((tmp_path / "history.json").read_text())
    assert [len(entry["sessions"]) for entry in document["cells"]] == [2, 0]
    assert document["cells"][0]["sessions"][0]["median_ms"] == pytest.approx(2.049, abs=0.01)
    _, text = read((tmp_path / "history.html").read_text())
    assert "2 sessions since" in text and "2 sessions are too few for steps" in text
    assert "No session has measured it yet." in text
    (session,) = tmp_path.glob(f"{run_folder(CELL)}/attempts/0001-*/session/session.json")
    session.write_text(session.read_text().replace("made up", "edited"))
    with pytest.raises(UserError, match="was changed since it was measured"):
        write_history("trial", [CELL], "history.html", "history.json")
