"""Claims that nobody has measured: figures that cannot be or do not follow, and JSON changed under its line."""

import copy
import json
import math

import pytest
from edgeproof.bundles.signing_keys import new_key
from edgeproof.claims.claim_documents import check_signature, declare_claim, read_claim, sign_claim
from edgeproof.claims.claim_lines import parse_line, render_line
from edgeproof.claims.replication import judge_replication
from edgeproof.claims.replication_texts import render_answer
from edgeproof.core.errors import UserError

from .test_replication import MARGIN, RIGHT, claim, latency

MEANS = (1.0, 1.01, 0.99, 1.005)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """(private key, public key) of somebody who is trusted."""
    return new_key("ann", tmp_path_factory.mktemp("keys"))


@pytest.fixture
def read_again(tmp_path):
    """A function that writes a claim's JSON and reads it as `edgeproof replicate` does."""

    def read(document):
        path = tmp_path / "claim.json"
        path.write_text(json.dumps(document))
        return read_claim(str(path))

    return read


def change(document, place, value):
    """Return a copy of a document in which one value is another; `place`: its keys with dots."""
    changed = copy.deepcopy(document)
    *path, last = place.split(".")
    inner = changed
    for key in path:
        inner = inner[int(key) if key.isdigit() else key]
    inner[int(last) if last.isdigit() else last] = value
    return changed


SIGNED = {
    "a session": ("sessions.0.mean_ms", 3.0),
    "its day": ("sessions.1.day", "2026-03-09"),
    "the evidence": ("evidence_sha256", "0" * 64),
    "a condition": ("conditions.right.cpu", "another"),
    "a digest": ("digests.machine", "0" * 12),
    "the number": ("value", 0.5),
    "an end": ("high", 2.0),
    "the source": ("source", "a data sheet"),
    "what is told": ("told", {"cpu": "another"}),
    "the signature of the line alone": ("signature.document", None),
}


@pytest.mark.parametrize("name", SIGNED)
def test_nothing_of_a_signed_claim_can_be_changed(name, keys, read_again):
    private, public = keys
    signed = sign_claim(latency(MEANS) | {"evidence_sha256": "1" * 64}, private)
    assert check_signature(read_again(signed), public) == "ann"
    with pytest.raises(UserError):
        check_signature(read_again(change(signed, *SIGNED[name])), public)


def test_sessions_that_give_another_number_are_refused_where_nobody_signed(read_again):
    made = latency(MEANS)
    assert read_again(made) == made
    thrice = change(made, "sessions", [{**each, "mean_ms": 3 * each["mean_ms"]} for each in made["sessions"]])
    with pytest.raises(UserError, match=r"value is .*, and its sessions give"):
        read_again(thrice)
    other = [{"mean_ms": made["value"] * (1 + step), "day": "2026-03-01"} for step in (0, 0, 0, 0)]
    with pytest.raises(UserError, match="basis is not that of its 4 sessions"):
        read_again(change(made, "sessions", other))
    days = ("2026-03-01", "2026-03-02", "2026-03-03", "2026-03-03")
    narrow = [{"mean_ms": made["value"], "day": day} for day in days]
    with pytest.raises(UserError, match=r"low is .*, and its sessions give"):
        read_again(change(made, "sessions", narrow))


def test_two_sessions_have_no_interval(read_again):
    made = latency(MEANS[:2])
    made["line"] = render_line(made)
    with pytest.raises(UserError, match=r"low is .*, and its sessions give None"):
        read_again(made)


LINE, RATIO = latency(MEANS)["line"], claim()["line"]
IMPOSSIBLE = {
    "an interval above the number": (RATIO, "(0.59403 to", "(0.6001 to"),
    "an interval below the number": (RATIO, "0.60603 at", "0.5999 at"),
    "ends that change places": (RATIO, "0.59403 to 0.60603", "0.60603 to 0.59403"),
    "more days than sessions": (LINE, "4 sessions on 3 days", "3 sessions on 9 days"),
    "a latency by pairs": (LINE, "4 sessions on 3 days", "12 pairs"),
    "a ratio by sessions": (RATIO, "12 pairs", "4 sessions on 3 days"),
    "no pairs": (RATIO, "12 pairs", "0 pairs"),
    "sessions without end": (LINE, "4 sessions on 3 days", "999999999 sessions on 2 days"),
    "sessions of many digits": (LINE, "4 sessions on 3 days", "9" * 5000 + " sessions on 2 days"),
    "digits of another script": (LINE, "4 sessions", "٤ sessions"),
    "a confidence of 100 %": (LINE, "95 %", "100 %"),
    "a confidence of 0 %": (LINE, "95 %", "0 %"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_line_that_no_measurement_gives_is_refused_in_a_line(name):
    line, before, after = IMPOSSIBLE[name]
    assert before in line and parse_line(line)["line"] == line
    with pytest.raises(UserError) as caught:
        parse_line(line.replace(before, after))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("key", "value"), [("low", None), ("confidence", None), ("basis", None), ("digests", None), ("left", RIGHT)]
)
def test_json_that_no_measurement_gives_is_refused(read_again, key, value):
    with pytest.raises(UserError):
        read_again(latency(MEANS) | {key: value, "sessions": None})


@pytest.mark.parametrize(("low", "high"), [(1e-300, 1e300), (5e-324, 1.7e308)])
def test_an_interval_without_end_decides_nothing(low, high):
    made = latency(MEANS) | {"sessions": None, "low": low, "high": high}
    found = judge_replication(parse_line(render_line(made)), latency(MEANS), MARGIN)
    assert (found["answer"], found["because"]) == ("cannot say", ["width"])


@pytest.mark.parametrize("count", [12, 13, 40, 9999])
def test_many_sessions_of_a_line_keep_their_number(count):
    """Of a device twelve are used; the line's number must not become that of its lowest twelve."""
    basis = {"pairs": None, "sessions": count, "days": 2}
    made = claim(None, 1.0, reach=0.02, basis=basis)
    found = judge_replication(parse_line(made["line"]), latency(MEANS), MARGIN)
    assert found["quotient"]["value"] == pytest.approx(latency(MEANS)["value"])


def test_an_interval_at_less_than_95_percent_answers_nothing():
    narrow = claim(reach=1e-5, confidence=0.01)
    own = claim(value=0.601, reach=1e-5)
    for given in (narrow, parse_line(narrow["line"])):
        found = judge_replication(given, own, MARGIN)
        assert (found["answer"], found["because"]) == ("cannot say", ["confidence"])
        head = next(iter(render_answer(found, None)))
        assert head == "cannot say because of confidence: the claimed interval is at less than 95 %"
    wide = claim(reach=0.01, confidence=0.99)
    assert judge_replication(wide, own, MARGIN)["answer"] == "replicated"


HIDDEN = ("N\u202eVIDIA", "a \x1b[31m data sheet", "a\u200bb")


@pytest.mark.parametrize("text", HIDDEN)
def test_what_nobody_sees_is_not_printed(text, read_again):
    with pytest.raises(UserError):
        declare_claim(RIGHT, None, 1.0, text, {})
    with pytest.raises(UserError, match="nobody sees"):
        declare_claim(RIGHT, None, 1.0, "a data sheet", {"cpu": text})
    made = claim(view={"cpu": text})
    reason = judge_replication(read_again(made), claim(), MARGIN)["reason"]
    assert text not in reason and reason.isprintable()


def test_a_declared_number_has_nothing_but_its_source(read_again):
    declared = declare_claim(RIGHT, None, 1.0, "a data sheet", {})
    assert read_again(declared) == declared
    for key, value in (("low", 0.9), ("evidence_sha256", "0" * 64), ("sessions", latency(MEANS)["sessions"])):
        with pytest.raises(UserError, match=f"{key} is told"):
            read_again(declared | {key: value})


def test_the_number_of_a_claim_is_the_geometric_mean_of_its_sessions():
    assert latency(MEANS)["value"] == pytest.approx(math.exp(sum(map(math.log, MEANS)) / len(MEANS)))
