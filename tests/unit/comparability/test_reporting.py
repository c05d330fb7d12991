"""The report of a comparison as people read it: the verdict first, and a number only if there is one."""

import pytest
from edgeproof.bench.made_up_campaigns import write_calibration
from edgeproof.comparability.reporting import build_report, render_markdown
from edgeproof.comparability.sentences import describe_grounds, describe_remedy, describe_verdict
from edgeproof.core.errors import UserError
from edgeproof.core.formatting import plain


def again(room, noise=()):
    """Return the room's report built again, with calibrations."""
    return build_report(*(room.folder / name for name in ("verdict.json", "pairs.csv", "pairs.json")), noise)


def test_a_measured_difference_is_one_sentence_with_its_interval_and_its_cost(room):
    report = room.make(ratio=0.6).read("report.json")
    sentence = plain(describe_verdict(report))
    assert sentence.startswith(
        "int8 is 1.666 times as fast as fp32 (1.657–1.675, 95 %), 20 s, the first 4 of 10 pairs."
    )
    text = render_markdown(report)
    assert text.startswith(f"# pair\n\n**{sentence}**\n\nAccuracy 98.6 % → 98.6 % on 500 samples (difference ")
    assert "\n\nleft: `digits-cnn/ort-cpu/desk/fp32`" in text
    assert "| precision | fp32 | int8 | this is what is compared |" in text
    assert "**Comparable; precision is what you study** (policy `strict`)" in text
    assert "starts like the 4 seen; a kind of start that is rarer than 53 % may be missing" in text


def test_what_is_equivalent_shows_the_interval_of_that_test(room):
    report = room.make(ratio=1.0).read("report.json")
    effect = report["effect"]
    assert report["verdict"] == "equivalent"
    assert f"({effect['equivalence_low']:.3f}–{effect['equivalence_high']:.3f}, 90\u202f%)" in describe_verdict(report)


def test_what_is_not_comparable_shows_no_number(room):
    text = render_markdown(room.make(varies=()).read("report.json"))
    assert "**Not comparable: fp32 and int8 differ in precision.**" in text
    assert "declare `varies: [precision]`" in text and "times as" not in text


def test_a_noisy_headline_does_not_matter_to_the_pairs(room):
    report = room.make(right={"kind": "noisy"}, ratio=0.6).read("report.json")
    assert report["verdict"] == "faster"


def test_an_undecided_comparison_says_what_more_would_cost(room):
    report = room.make(ratio=1.03, spread=0.02).read("report.json")
    assert (report["verdict"], report["reason"], report["can_continue"]) == ("undecided", "budget", True)
    assert report["further_seconds"] == pytest.approx(2 * report["further_pairs"])
    remedy, more = plain(describe_remedy(report)), report["further_pairs"]
    assert f"About {more} further pairs ({report['further_seconds']:.0f} s) would probably decide" in remedy
    assert f"`pairs: {10 + more}`" in remedy and remedy in render_markdown(report)


def test_the_calibration_of_the_left_cell_is_shown_and_others_are_not(room):
    room.make(ratio=0.6)
    assert "left cell is not calibrated" in " ".join(describe_grounds(again(room)))
    paths = [write_calibration(), write_calibration(precision="int8")]
    report = again(room, paths)
    assert [noise["cell"]["precision"] for noise in report["noise"]] == ["fp32"]
    assert report["noise"][0]["log_sd"] > 0 and report["noise"][0]["expected"]
    assert "left cell is not calibrated" not in " ".join(describe_grounds(report))


def test_simulated_times_are_called_so(room):
    report = room.make(left={"kind": "simulated"}, right={"kind": "simulated"}).read("report.json")
    assert report["provenance"] == "simulated"
    assert "These times are **simulated**, not measured." in render_markdown(report)


def test_starts_in_two_levels_are_shown_as_two(room):
    report = room.make(ratio=0.6).read("report.json")
    assert report["modes"] is None and report["interference"] is None


def test_values_cannot_break_the_table(room):
    report = room.make(varies=()).read("report.json")
    report["reasons"][0]["left"] = "a|b\nc"
    assert "a\\|b c" in render_markdown(report)


def in_15_watts(verdict):
    for side in ("left", "right"):
        verdict[side]["state"]["power_mode"] = "15W"


def test_pairs_of_another_state_of_the_machine_are_refused(room):
    room.make(ratio=0.6)
    room.edit(room.folder / "verdict.json", in_15_watts)
    with pytest.raises(UserError, match=r"pairs\.json: power_mode of left is None, and was '15W' when its result was"):
        again(room)
