"""Drawings as plain data."""

import re

import pytest
from edgeproof.evidence.charts import ROWS_PER_DRAWING, draw_forest, draw_latencies, draw_verdicts, split_rows
from edgeproof.evidence.collecting import collect_evidence


@pytest.fixture
def figures(campaign):
    return draw_latencies(collect_evidence(campaign).cells)


def effect(ratio=0.8, low=0.7, high=0.9, margin=0.02, ratios=(0.75, 0.85)):
    return {"ratio": ratio, "low": low, "high": high, "margin": margin, "ratios": list(ratios)}


def test_one_figure_per_model_with_one_axis(figures):
    assert [figure["model"] for figure in figures] == ["digits-cnn", "squeezenet"]
    assert [figure["unit"] for figure in figures] == ["ms", "ms"]
    assert [len(figure["parts"][0]["rows"]) for figure in figures] == [6, 1]
    assert figures[0]["log"]
    assert not figures[1]["log"]


def test_cells_without_samples_are_named(figures):
    assert {item["state"] for item in figures[1]["absent"]} == {"failed", "unsupported"}


def test_positions_are_percent_and_in_order(figures):
    rows = [row for figure in figures for part in figure["parts"] for row in part["rows"]]
    assert len(rows) == 7
    for row in rows:
        assert 0 <= row["box"]["x"] <= row["half"]["x"] <= row["half"]["end"] <= row["box"]["end"] <= 100
        assert row["band"]["x"] <= row["median"] <= row["band"]["end"]
        assert len(row["dots"]) == 5
        assert [y for _, y in row["dots"]] == sorted(y for _, y in row["dots"])
        assert re.fullmatch(r"M[-\d.]+ 26(L[-\d.]+ [\d.]+)+Z", row["cloud"])


def test_words_stand_in_for_the_drawing(figures):
    row = figures[0]["parts"][0]["rows"][0]
    assert row["description"].startswith(f"Headline {row['value'].split()[0]} ms, 95")
    assert "1 500 samples" in row["description"].replace("\u202f", " ")


def test_states_are_carried_into_the_drawing(figures):
    rows = figures[0]["parts"][0]["rows"]
    assert [row["noisy"] for row in rows].count(True) == 1
    assert [row["simulated"] for row in rows].count(True) == 1


def test_long_figures_are_folded():
    parts = split_rows([{}] * (2 * ROWS_PER_DRAWING + 1))
    assert [len(part["rows"]) for part in parts] == [ROWS_PER_DRAWING, ROWS_PER_DRAWING, 1]
    assert parts[1]["title"] == f"Rows {ROWS_PER_DRAWING + 1} – {2 * ROWS_PER_DRAWING}"


def test_forest_is_only_drawn_with_a_difference():
    assert draw_forest([]) is None
    assert draw_forest([{"effect": None}]) is None


def test_rows_without_a_difference_have_no_drawing():
    rows = [{"effect": effect()}, {"effect": None}]
    forest = draw_forest(rows)
    assert rows[0]["drawing"] is not None
    assert rows[1]["drawing"] is None
    assert rows[0]["drawing"]["interval"]["x"] < rows[0]["drawing"]["ratio"] < rows[0]["drawing"]["interval"]["end"]
    assert rows[0]["drawing"]["margin"]["x"] < forest["one"] < rows[0]["drawing"]["margin"]["end"]


def test_verdicts_share_one_axis_on_which_ratios_are_in_order():
    bounds = [effect(), None, effect(ratio=1.1, low=None, high=None), effect(ratio=1.0, low=0.99, high=1.01)]
    rows = [{"bounds": each, "strip": None} for each in bounds]
    axis = draw_verdicts(rows)
    faster, nothing, slower, same = (row["strip"] for row in rows)
    assert nothing is None and slower["interval"] is None
    assert faster["interval"]["end"] < same["interval"]["x"] < axis["one"] < same["interval"]["end"] < slower["ratio"]
    assert same["ratio"] == axis["one"] and "1" in [tick["label"] for tick in axis["ticks"]]
    assert draw_verdicts([{"bounds": None}]) is None


def test_pairs_far_away_are_counted_and_not_drawn():
    row = {"effect": effect(ratios=(0.75, 0.85, 50.0))}
    draw_forest([row])
    assert row["drawing"]["beyond"] == 1
    assert len(row["drawing"]["dots"]) == 2


def test_one_pair_has_no_interval():
    row = {"effect": effect(low=None, high=None, ratios=(0.8,))}
    draw_forest([row])
    assert row["drawing"]["interval"] is None
