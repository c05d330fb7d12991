"""Answering claims: what keeps an answer open, and how often an answer is wrong when the truth is known."""

import math

import numpy as np
import pytest
from edgeproof.claims.claim_conditions import GROUPS, digest_conditions
from edgeproof.claims.claim_documents import declare_claim
from edgeproof.claims.claim_lines import parse_line, render_line, start_claim
from edgeproof.claims.replication import judge_replication
from edgeproof.claims.replication_texts import render_answer
from edgeproof.core.sequential import Design, find_stops, look_at_sequences
from edgeproof.core.statistics import geometric_mean_interval
from scipy import stats

RIGHT, LEFT = "digits-cnn/ort-cpu/rpi/int8", "digits-cnn/ort-cpu/rpi/fp32"
VIEW = {field: f"a {field}" for fields in GROUPS.values() for field in fields}
DAYS = ("2026-03-01", "2026-03-02", *("2026-03-03",) * 20)
TRIALS, MARGIN = 1000, 0.05


def claim(left=LEFT, value=0.6, reach=0.01, view=None, **changes):
    """Return a measured claim whose interval reaches so far on the log scale."""
    own = VIEW | (view or {})
    made = start_claim(RIGHT, left, value)
    made |= {"low": value * math.exp(-reach), "high": value * math.exp(reach), "confidence": 0.95}
    made |= {"basis": {"pairs": 12, "sessions": None, "days": None}, "provenance": "measured"}
    made |= {"conditions": {"left": own if left else None, "right": own}, **changes}
    made["digests"] = digest_conditions(made["conditions"])
    made["line"] = render_line(made)
    return made


def latency(means, **changes):
    """Return a claim of a latency in these sessions, with the headline's interval."""
    found = geometric_mean_interval(np.asarray(means))
    days = DAYS[: len(means)]
    sessions = [{"mean_ms": float(mean), "day": day} for mean, day in zip(means, days, strict=True)]
    basis = {"pairs": None, "sessions": len(means), "days": len(set(days))}
    made = claim(None, found.estimate, basis=basis, sessions=sessions, **changes)
    made |= {"low": found.low, "high": found.high}
    made["line"] = render_line(made)
    return made


@pytest.mark.parametrize(
    ("value", "reach", "answer", "because"),
    [
        (0.6, 0.01, "replicated", []),
        (0.63, 0.005, "cannot say", ["width"]),
        (0.6, 0.06, "cannot say", ["width"]),
        (0.7, 0.01, "not replicated", []),
        (0.5, 0.01, "not replicated", []),
    ],
)
def test_a_ratio_is_judged_by_both_intervals(value, reach, answer, because):
    found = judge_replication(claim(), claim(value=value, reach=reach), MARGIN)
    assert (found["answer"], found["because"]) == (answer, because)
    assert found["quotient"]["value"] == pytest.approx(value / 0.6)
    half = math.hypot(0.01, reach)
    assert math.log(found["quotient"]["high"] / found["quotient"]["value"]) == pytest.approx(half)


@pytest.mark.parametrize("field", ["model_hash", "inputs_hash", "runtime_version", "latency_boundary", "cpu"])
def test_a_condition_that_matters_is_named(field):
    found = judge_replication(claim(), claim(view={field: "another"}), MARGIN)
    assert (found["answer"], found["because"]) == ("cannot say", [field])
    assert found["reason"] == f"{field}: a {field} there, another here"
    by_line = judge_replication(parse_line(claim()["line"]), claim(view={field: "another"}), MARGIN)
    (group,) = (group for group, fields in GROUPS.items() if field in fields)
    assert (by_line["answer"], by_line["because"]) == ("cannot say", [group])


@pytest.mark.parametrize("field", ["kernel", "governors", "agent_hash", "processes"])
def test_what_hits_both_arms_cancels_in_a_ratio_and_not_in_a_latency(field):
    ratio = judge_replication(claim(), claim(view={field: "another"}), MARGIN)
    assert (ratio["answer"], ratio["ignored"]) == ("replicated", [field])
    assert "cancels in a ratio" in "\n".join(render_answer(ratio, None))
    means = (1.0, 1.001, 0.999)
    alone = judge_replication(latency(means), latency(means, view={field: "another"}), MARGIN)
    assert (alone["answer"], alone["because"]) == ("cannot say", [field])
    assert "A ratio is easier to replicate" in "\n".join(render_answer(alone, None))


@pytest.mark.parametrize(
    ("claimed", "own", "answer", "because"),
    [
        ((1.0, 1.002, 0.998), (1.001, 1.0, 0.999), "replicated", []),
        ((1.0, 1.002, 0.998), (1.3, 1.301, 1.302), "not replicated", []),
        ((1.0,), (1.0, 1.001, 0.999), "cannot say", ["sessions"]),
        ((1.0, 1.3, 0.7), (1.0, 1.001, 0.999), "cannot say", ["width"]),
    ],
)
def test_a_latency_is_judged_as_two_devices_are(claimed, own, answer, because):
    made = latency(claimed)
    for given in (made, parse_line(made["line"])):
        found = judge_replication(given, latency(own), MARGIN)
        assert (found["answer"], found["because"]) == (answer, because)


def test_a_line_says_of_sessions_what_the_document_says():
    made, own = latency((1.0, 1.05, 1.1, 1.02)), latency((1.2, 1.25, 1.3, 1.22))
    whole, line = (judge_replication(given, own, MARGIN)["quotient"] for given in (made, parse_line(made["line"])))
    assert [line[key] for key in ("value", "low", "high")] == pytest.approx(
        [whole[key] for key in ("value", "low", "high")], rel=1e-4
    )


def test_a_declared_number_is_answered_by_what_its_source_did_not_tell():
    told = declare_claim(RIGHT, None, 12.3, "a data sheet", {"precision": "a precision"})
    found = judge_replication(told, latency((12.0, 12.1, 12.2)), MARGIN)
    assert (found["answer"], found["because"]) == ("cannot say", ["interval"])
    assert {"runtime_version", "inputs_hash", "cpu"} <= set(found["untold"]) and "precision" not in found["untold"]
    text = "\n".join(render_answer(found, None))
    assert "its source does not tell: model_hash" in text and "12.30 ms (declared by a data sheet" in text
    other = declare_claim(RIGHT, None, 12.3, "a data sheet", {"runtime_version": "1.16"})
    assert judge_replication(other, latency((12.0, 12.1, 12.2)), MARGIN)["because"] == ["runtime_version"]


def test_simulated_times_do_not_answer_measured_ones():
    found = judge_replication(claim(), claim(provenance="simulated"), MARGIN)
    assert (found["answer"], found["because"]) == ("cannot say", ["provenance"])


def count_wrong(answers, wrong):
    """Return how many of the answers are wrong, after checking that some are given."""
    assert len(answers) == TRIALS
    return answers.count(wrong)


def at_most(share):
    """Return how many of TRIALS may be wrong when each is with this probability, at 99 % Monte Carlo confidence."""
    return int(stats.binom.ppf(0.99, TRIALS, share))


def measure_ratios(random, log_ratio, spread):
    """Return TRIALS sequences of 60 pairs and their looks."""
    return look_at_sequences(log_ratio + spread * random.standard_normal((TRIALS, 60)), Design(margin=0.02))


def claim_at(looks, trial, pairs):
    mean, reach = float(looks.mean[trial, pairs - 1]), float(looks.difference_reach[trial, pairs - 1])
    return claim(value=math.exp(mean), reach=reach)


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("distance", "wrong"),
    [(0.0, "not replicated"), (0.999, "not replicated"), (1.001, "replicated"), (3.0, "replicated")],
)
def test_a_thousand_ratios_each(distance, wrong):
    """The claim stops where its comparison decides; pairs here go on until the claim is answered."""
    random = np.random.default_rng(7)
    truth, shift = math.log(0.6), distance * math.log1p(MARGIN)
    theirs, ours = measure_ratios(random, truth, 0.01), measure_ratios(random, truth + shift, 0.015)
    stops = np.minimum(find_stops(theirs.claims), 60)
    answers = []
    for trial in range(TRIALS):
        made = claim_at(theirs, trial, int(stops[trial]))
        for pairs in (12, 24, 40, 60):
            answer = judge_replication(made, claim_at(ours, trial, pairs), MARGIN)["answer"]
            if answer != "cannot say":
                break
        answers.append(answer)
    assert count_wrong(answers, wrong) <= at_most(0.05)
    right = {"replicated": "not replicated", "not replicated": "replicated"}[wrong]
    assert (answers.count(right) > 0.5 * TRIALS) == (distance in (0.0, 3.0))


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("distance", "wrong"),
    [(0.0, "not replicated"), (0.999, "not replicated"), (1.001, "replicated"), (3.0, "replicated")],
)
def test_a_thousand_latencies_each(distance, wrong):
    """Sessions are added here until the claim, which is a line of five sessions, is answered or eight are measured."""
    random = np.random.default_rng(8)
    theirs = np.exp(0.01 * random.standard_normal((TRIALS, 5)))
    ours = np.exp(distance * math.log1p(MARGIN) + 0.01 * random.standard_normal((TRIALS, 8)))
    answers = []
    for trial in range(TRIALS):
        made = parse_line(latency(theirs[trial])["line"])
        for sessions in (3, 5, 8):
            answer = judge_replication(made, latency(ours[trial, :sessions]), MARGIN)["answer"]
            if answer != "cannot say":
                break
        answers.append(answer)
    assert count_wrong(answers, wrong) <= at_most(0.05)
    right = {"replicated": "not replicated", "not replicated": "replicated"}[wrong]
    assert (answers.count(right) > 0.5 * TRIALS) == (distance in (0.0, 3.0))
