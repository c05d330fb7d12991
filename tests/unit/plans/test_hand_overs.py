import pytest
from edgeproof.plans.hand_overs import fit_line, fit_links, summarise_hand_over
from hypothesis import given
from hypothesis import strategies as st

SIZES = [0.01, 0.1, 1.0, 4.0]


@given(st.floats(0, 10), st.floats(1e-6, 10))
def test_a_line_is_found_again(setup, rate):
    found = fit_line(SIZES, [setup + rate * size for size in SIZES])
    assert found == pytest.approx((setup, rate), rel=1e-6, abs=1e-8)


@given(st.lists(st.floats(1e-4, 1e3), min_size=4, max_size=4))
def test_no_part_is_negative(times):
    setup, rate = fit_line(SIZES, times)
    assert setup >= 0 and rate >= 0 and setup + rate > 0


def test_falling_times_are_all_setup_and_a_negative_setup_is_none():
    assert fit_line([1, 2], [3, 2])[1] == 0
    assert fit_line([1, 2], [1, 3])[0] == 0


def test_links_keep_one_number_per_process():
    def process(setup, rate):
        return [
            {"source": a, "target": b, "size_mb": size, "median_ns": round((setup + rate * size) * 1e6)}
            for a, b in (("x", "y"), ("y", "x"))
            for size in SIZES
        ]

    links = fit_links([process(0.1, 2.0), process(0.2, 3.0), process(0.3, 4.0)])
    assert [(link["source"], link["target"]) for link in links] == [("x", "y"), ("y", "x")]
    assert links[0]["setup_ms"]["process_values"] == pytest.approx([0.1, 0.2, 0.3], rel=1e-3)
    assert links[0]["latency_ms_per_mb"]["value"] == pytest.approx(3.0, rel=1e-3)
    low, high = links[0]["latency_ms_per_mb"]["interval"]
    assert 0 <= low < 3.0 < high
    assert links[0]["largest_relative_residual"] < 1e-3


def test_one_process_has_no_interval():
    assert summarise_hand_over([1.0])["interval"] is None
