"""One sentence per verdict, with ratio, interval and cost; what would decide where nothing is decided."""

import pytest
from edgeproof.comparability.sentences import (
    choose_effect,
    describe_comparable,
    describe_cost,
    describe_grounds,
    describe_interleaving,
    describe_reason,
    describe_remedy,
    describe_verdict,
    name_sides,
)
from edgeproof.core.formatting import plain

CELL = {"model": "digits-cnn", "preset": "ort-cpu", "device": "desk", "precision": "fp32"}
EFFECT = {
    "ratio": 0.633,
    "delta_pct": -36.7,
    "interval_low": 0.621,
    "interval_high": 0.645,
    "confidence": 0.9875,
    "equivalence_confidence": 0.975,
    "equivalence_low": 0.99,
    "equivalence_high": 1.01,
    "wider_low": 0.61,
    "wider_high": 0.66,
    "pairs": 6,
    "rare_starts": 0.39,
}
DEFAULT = {"correlation": 0.2, "source": "default", "estimate": None, "pairs": 0, "sequences": 0}


def make_report(verdict="faster", **changes):
    report = {
        "comparison": "trial",
        "left": CELL,
        "right": CELL | {"precision": "int8"},
        "comparable": "conditional",
        "reasons": [],
        "waived": None,
        "per": "call",
        "items": {"left": 1, "right": 1},
        "verdict": verdict,
        "reason": None,
        "explanation": None,
        "effect": EFFECT,
        "modes": None,
        "alone": None,
        "interference": None,
        "builds": None,
        "between_sessions": None,
        "design": {"margin": 0.02, "comparisons": 4, "level": 0.0125, "horizon": 60, "correlation": DEFAULT},
        "noise": [],
        "pairs": 6,
        "seconds": 19.2,
        "further_pairs": None,
        "further_seconds": None,
        "sessions": [{"interleaving": {"mode": "blocks", "reason": None}}],
    }
    return report | changes


def moved(ratio, low, high):
    return EFFECT | {"ratio": ratio, "interval_low": low, "interval_high": high}


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (make_report(), "int8 is 1.58 times as fast as fp32 (1.55–1.61, 98.75 %), 19 s, 6 pairs."),
        (
            make_report("slower", effect=moved(1.25, 1.22, 1.28), seconds=4.25, pairs=1),
            "int8 takes 1.25 times as long as fp32 (1.22–1.28, 98.75 %), 4.2 s, 1 pair.",
        ),
        (
            make_report("equivalent", effect=moved(1.0002, 0.98, 1.02)),
            "int8 is equivalent to fp32 within ±2 %: 1.000 times the time (0.990–1.010, 97.5 %), 19 s, 6 pairs.",
        ),
        (
            make_report("equivalent", effect=moved(1.0002, 0.98, 1.02), right=CELL),
            "The same artifact is equivalent to itself within ±2 %: 1.000 times the time (0.990–1.010, 97.5 %), 19 s, "
            "6 pairs.",
        ),
        (
            make_report("undecided", reason="budget", effect=moved(1.01, 0.97, 1.05)),
            "Undecided: int8 takes 1.010 times as long as fp32 (0.970–1.050, 98.75 %), margin ±2 %, 19 s, 6 pairs.",
        ),
        (
            make_report("undecided", reason="budget", effect=moved(1.01, None, None), pairs=2),
            "Undecided: int8 took 1.01 times as long as fp32, without an interval, 19 s, 2 pairs.",
        ),
        (
            make_report("failed", effect=None, explanation="right: the artifact was not built"),
            "Failed: right: the artifact was not built.",
        ),
        (
            make_report("not-comparable", effect=None, explanation="right is failed: it crashed."),
            "No difference: right is failed: it crashed.",
        ),
        (
            make_report("not-comparable", comparable="no", effect=None, reasons=[{"field": "input_shape"}]),
            "Not comparable: fp32 and int8 differ in input shape.",
        ),
        (
            make_report(
                "slower",
                effect=None,
                right=CELL | {"device": "board"},
                between_sessions=moved(9.0, 8.1, 10.0) | {"left_sessions": 3, "right_sessions": 4},
            ),
            "board takes 9.00 times as long as desk (8.10–10.00, 98.75 %), 3 and 4 sessions.",
        ),
    ],
)
def test_one_sentence_per_verdict(report, sentence):
    assert plain(describe_verdict(report)) == sentence


def test_pairs_that_came_after_the_verdict_are_told_apart():
    report = make_report(pairs=8)
    assert plain(describe_verdict(report)).endswith("(1.55–1.61, 98.75 %), 19 s, the first 6 of 8 pairs.")


def test_the_level_is_said_with_its_reason():
    (told,) = [line for line in describe_grounds(make_report()) if line.startswith("The interval holds")]
    assert plain(told) == (
        "The interval holds at a confidence of 98.75 %, whenever the pairs stopped: it is one of the campaign's 4 "
        "comparisons, which share 5 % of error."
    )
    alone = {"margin": 0.02, "comparisons": 1, "level": 0.05, "horizon": 60, "correlation": DEFAULT}
    report = make_report(
        "equivalent", design=alone, effect=EFFECT | {"confidence": 0.95, "equivalence_confidence": 0.9}
    )
    (told,) = [line for line in describe_grounds(report) if line.startswith("The interval holds")]
    assert plain(told) == (
        "The interval holds at a confidence of 90 %, whenever the pairs stopped (one of a difference: 95 %)."
    )


def test_across_batch_sizes_the_sentence_speaks_of_items():
    report = make_report("faster", per="item", items={"left": 1, "right": 8})
    assert (
        plain(describe_verdict(report))
        == "int8 is 1.58 times as fast per item as fp32 (1.55–1.61, 98.75 %), 19 s, 6 pairs."
    )
    assert "A call of left has 1 item, one of right 8 items; the times compared are those of one item." in (
        describe_grounds(report)
    )


def test_swapping_the_sides_swaps_the_sentence():
    swapped = make_report("slower", left=CELL | {"precision": "int8"}, right=CELL, effect=moved(1.58, 1.55, 1.61))
    assert plain(describe_verdict(swapped)).startswith("fp32 takes 1.58 times as long as int8 (1.55–1.61, 98.75 %)")


def test_sides_are_named_by_what_differs():
    assert name_sides(CELL, CELL | {"precision": "int8"}) == ("fp32", "int8")
    assert name_sides(CELL, CELL | {"preset": "q", "precision": "int8"}) == ("ort-cpu · fp32", "q · int8")
    assert name_sides(CELL, CELL) == ("itself", "the same artifact")


def test_further_pairs_name_the_keys_to_change():
    report = make_report("undecided", reason="budget", further_pairs=24, further_seconds=76.4)
    assert plain(describe_remedy(report)) == (
        "About 24 further pairs (76 s) would probably decide: give `trial` `pairs: 30` and `seconds: 96` in the "
        "campaign file and run `snakemake` again. The 6 pairs so far are kept."
    )
    assert describe_remedy(make_report()) is None


@pytest.mark.parametrize("reason", ["budget", "horizon"])
def test_what_no_pairs_would_decide_asks_for_something_else(reason):
    report = make_report("undecided", reason=reason)
    assert "larger margin" in describe_remedy(report)
    assert describe_reason(report).endswith(".")


def test_grounds_say_the_level_and_what_was_assumed():
    lines = [plain(line) for line in describe_grounds(make_report())]
    assert lines[0].startswith("The interval holds at a confidence of 98.75 %")
    assert "one of the campaign's 4 comparisons, which share 5 % of error" in lines[0]
    assert lines[1].endswith("so 0.20 is assumed; at 0.5 the interval would be 0.61–0.66.")
    assert lines[2].endswith("rarer than 39 % may be missing.")
    assert "not calibrated" in lines[3]
    assert describe_grounds(make_report(effect=None)) == []


def test_a_calibration_says_the_correlation():
    known = {"correlation": 0.1, "source": "calibration", "estimate": 0.02, "pairs": 120, "sequences": 4}
    report = make_report(noise=[{}])
    report["design"] = report["design"] | {"correlation": known}
    lines = describe_grounds(report)
    assert "120 calibration pairs" in lines[1] and not any("assumed" in line for line in lines)


def test_modes_and_interference_are_told():
    modes = {
        "left": [{"level_ms": 1.2, "starts": 5}, {"level_ms": 1.35, "starts": 1}],
        "right": [{"level_ms": 0.8, "starts": 6}],
    }
    found = {"difference": 0.03, "low": 0.02, "high": 0.04}
    lines = [plain(line) for line in describe_grounds(make_report(modes=modes, interference=found))]
    assert (
        lines[0] == "Starts jump between levels: left 1.20 ms (5 starts), 1.35 ms (1 start); right 0.800 ms (6 starts)."
    )
    assert lines[1] == "Taking turns changes the right arm by +3.05 % (+2.02 to +4.08 %) more than the left."
    small = make_report(interference=found | {"difference": 0.001})
    assert not any("Taking turns" in line for line in describe_grounds(small))


def test_interleaving_says_why_it_is_not_by_blocks():
    sessions = [{"interleaving": {"mode": "processes", "reason": "both do not fit in memory"}}]
    assert describe_interleaving(make_report(sessions=sessions)) == (
        "one process after the other (both do not fit in memory)"
    )
    assert describe_interleaving(make_report(sessions=[])) is None


def test_costs_of_a_calibrated_cell():
    expected = [
        {"effect": 0.02, "pairs": None, "seconds": None, "decided": 0.03},
        {"effect": 0.05, "pairs": 7, "seconds": 12.4, "decided": 1.0},
    ]
    noise = {"expected": expected}
    assert plain(describe_cost(noise, 0.05, 0.02)) == "about 7 pairs, 12 s"
    assert describe_cost(noise, 0.02, 0.02) == "more pairs than the test allows: it is as large as the margin"
    assert describe_cost(noise, 0.02, 0.01) == "more pairs than the test allows"
    assert choose_effect(noise, 0.02) == 0.05
    assert choose_effect(noise, 0.05) is None


BUILDS = {
    "asked": 1,
    "pairs_each": 6,
    "rare": 0.95,
    "ratios": [0.633],
    "variances": None,
    "parity": [{"build": 1, "side": "right", "status": "failed"}],
}


def test_one_build_of_a_builder_that_draws_says_nothing_of_the_model():
    report = make_report(builds=BUILDS)
    assert plain(describe_verdict(report)).startswith("this build of int8 is 1.58 times as fast as this build of fp32")
    grounds = describe_grounds(report)
    assert grounds[0] == "The outputs of build 1 of right have not passed parity: failed."
    assert "not of the models" in grounds[1] and "`builds: 5`" in grounds[1]


def test_several_builds_say_what_makes_pairs_differ():
    split = {"builds": 0.003, "processes": 0.001, "blocks": None}
    report = make_report(builds=BUILDS | {"asked": 3, "ratios": [0.6, 0.63, 0.7], "variances": split, "parity": []})
    assert plain(describe_verdict(report)).startswith("int8 is 1.58 times as fast as fp32")
    told = [plain(line) for line in describe_grounds(report)]
    assert told[0] == "3 pairs of builds, right over left: 0.600, 0.630, 0.700."
    assert told[1] == "Of the variance from one pair of processes to the next, builds make 75 %, processes make 25 %."
    assert "over builds" in told[3] and not [line for line in told if "Neighbouring pairs" in line or "assumed" in line]


def alone(left=(), right=(), unseen_alone=(), ratio=(0.6, 0.58, 0.62), overlaps=True):
    """Return what a report says of the starts alone; a level is (ms, starts, ratio right / left)."""

    def side(missed, extra=()):
        keys = ("level_ms", "starts", "ratio")
        lists = [[dict(zip(keys, level, strict=True)) for level in levels] for levels in (missed, extra)]
        return {"starts": 5, "unseen_in_pairs": lists[0], "unseen_alone": lists[1]}

    quotient = dict(zip(("ratio", "low", "high"), ratio, strict=True))
    return {"left": side(left, unseen_alone), "right": side(right), "ratio": quotient, "overlaps": overlaps}


@pytest.mark.parametrize(
    ("verdict", "told", "sentence"),
    [
        ("faster", alone(), None),
        (
            "faster",
            alone(left=[(0.1831, 2, 0.7476), (0.193, 1, 0.7093)]),
            "Alone, fp32 also started at 0.183 ms (2 of 5 starts) and 0.193 ms (1 of 5 starts), which no pair saw; at "
            "those levels int8 is about 1.34 to 1.41 times as fast.",
        ),
        (
            "slower",
            alone(right=[(0.4, 5, 2.0)]),
            "Alone, int8 started at 0.400 ms (5 of 5 starts), which no pair saw; at that level int8 takes about 2.00 "
            "times as long.",
        ),
        (
            "faster",
            alone(unseen_alone=[(0.335, 2, 0.6)]),
            "In pairs, fp32 also started at 0.335 ms (2 of 6 starts), which no start alone saw; by the two headlines, "
            "int8 is about 1.67 times as fast.",
        ),
        (
            "undecided",
            alone(ratio=(0.8, 0.75, 0.85), overlaps=False),
            "By the two headlines, measured one after the other, int8 takes about 0.800 times as long (0.75–0.85), "
            "which the pairs do not confirm: something changed between those two runs, and hits both arms of a pair "
            "alike.",
        ),
    ],
)
def test_what_the_cells_alone_say_against_the_pairs_is_a_second_sentence(verdict, told, sentence):
    first = plain(describe_verdict(make_report(verdict)))
    assert plain(describe_verdict(make_report(verdict, alone=told))) == " ".join(filter(None, (first, sentence)))


@pytest.mark.parametrize(
    ("comparable", "mode", "fields", "words"),
    [
        ("yes", "same-condition", (), "comparable"),
        ("no", "none", ("precision",), "not comparable"),
        ("waived", "waived", ("precision",), "not comparable, waived"),
        ("conditional", "precision-comparison", ("precision",), "comparable; precision is what you study"),
        ("conditional", "model-comparison", ("model_hash",), "comparable; model is what you study"),
        (
            "conditional",
            "runtime-comparison",
            ("precision", "runtime", "runtime_options"),
            "comparable; runtime and precision are what you study",
        ),
        (
            "conditional",
            "batch-size-comparison",
            ("batch_size", "input_shape", "inputs_hash"),
            "comparable; batch size, input shape and inputs are what you study",
        ),
    ],
)
def test_what_is_under_study_is_no_condition(comparable, mode, fields, words):
    reasons = [{"field": field} for field in fields]
    assert describe_comparable(make_report(comparable=comparable, mode=mode, reasons=reasons)) == words
