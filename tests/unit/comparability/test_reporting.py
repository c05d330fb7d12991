"""The report of a comparison as people read it: a number only if there is one."""

from edgeproof.comparability.reporting import render_markdown


def test_a_measured_difference_is_shown_with_its_interval(room):
    text = render_markdown(room.make(ratio=0.6).read("report.json"))
    assert text.startswith("# pair\n\nleft: `digits-cnn/ort-cpu/desk/fp32`")
    assert "The right side is **faster** than the left: ratio right / left 0.6" in text
    assert "| precision | fp32 | int8 | this is what is compared |" in text


def test_what_is_not_comparable_shows_no_number(room):
    text = render_markdown(room.make(varies=()).read("report.json"))
    assert "**Not comparable**: no difference is computed." in text
    assert "declare `varies: [precision]`" in text and "ratio" not in text


def test_values_cannot_break_the_table(room):
    report = room.make(varies=()).read("report.json")
    report["reasons"][0]["left"] = "a|b\nc"
    assert "a\\|b c" in render_markdown(report)
