"""A deployment decision names the next baseline: what the rules let through, and what is recorded of it."""

import json

import pytest
from edgeproof.__main__ import main
from edgeproof.bench.made_up_campaigns import CAMPAIGN, make_campaign
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY, Cell, comparison_folder
from edgeproof.workflow import promotions

INT8, FP16 = (Cell("digits-cnn", "ort-cpu", "desk", precision) for precision in ("int8", "fp16"))
NAME = f"{CAMPAIGN}/int8-vs-fp16"


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """A folder with a comparison of two made-up cells, and what was decided of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").symlink_to(REPOSITORY / "config")
    compared = {"name": "int8-vs-fp16", "left": tuple(FP16), "right": tuple(INT8), "varies": ["precision"]}
    make_campaign(tmp_path, [{"precision": "int8"}, {"precision": "fp16"}], [compared | {"ratio": 0.6}])
    return tmp_path


def decide(monkeypatch, decision):
    """Let the decision read be this one, whatever the made-up evidence says."""
    real = promotions.read_decision
    monkeypatch.setattr(promotions, "read_decision", lambda path: {**real(path), "decision": decision})


@pytest.mark.parametrize(
    ("decision", "words", "reviewer"),
    [
        ("deployable", [], None),
        ("deployable_with_note", [], None),
        ("review_required", ["--reviewed-by", "Ann"], "Ann"),
    ],
)
def test_what_the_decision_allows_becomes_the_baseline(made_up, monkeypatch, decision, words, reviewer):
    decide(monkeypatch, decision)
    for _ in range(2):
        assert main(["baseline", "promote", NAME, "--name", "deployed", *words], made_up) == 0
    document = json.loads((made_up / "results/baselines/deployed/baseline.json").read_text())
    found = document["promotion"]
    path = f"{comparison_folder(CAMPAIGN, 'int8-vs-fp16')}/decision.json"
    assert (found["decision"], found["reviewer"], found["comparison"]) == (decision, reviewer, "int8-vs-fp16")
    assert found["decision_sha256"] == sha256_file(path) and len(found["previous_sha256"]) == 64
    assert document["cell"]["precision"] == "int8"


@pytest.mark.parametrize("decision", ["review_required", "insufficient_evidence", "blocked"])
def test_what_it_does_not_allow_is_refused(made_up, monkeypatch, decision):
    decide(monkeypatch, decision)
    with pytest.raises(UserError, match=f"the decision is {decision}"):
        main(["baseline", "promote", NAME], made_up)
    assert not (made_up / "results/baselines").exists()


@pytest.mark.parametrize(("target", "message"), [("int8-vs-fp16", "CAMPAIGN/COMPARISON"), ("a/b", "is missing")])
def test_what_is_no_decision_is_refused(made_up, target, message):
    with pytest.raises(UserError, match=message):
        main(["baseline", "promote", target], made_up)
