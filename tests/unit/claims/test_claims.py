"""Claims made of evidence, written as a line, read again, signed, and refused where they were changed."""

import json
from pathlib import Path

import pytest
from edgeproof.__main__ import main
from edgeproof.bench.made_up_campaigns import CAMPAIGN, make_campaign
from edgeproof.bundles.importing import make_bundle
from edgeproof.bundles.signing_keys import new_key
from edgeproof.claims.claim_conditions import FIELDS, find_protocol
from edgeproof.claims.claim_documents import (
    check_signature,
    claim_comparison,
    claim_result,
    declare_claim,
    read_claim,
    sign_claim,
)
from edgeproof.claims.claim_lines import parse_line, render_signed
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY, Cell, comparison_folder, run_folder

INT8, FP16 = (Cell("digits-cnn", "ort-cpu", "desk", precision) for precision in ("int8", "fp16"))
RESULT = f"{run_folder(INT8)}/result.json"
REPORT = f"{comparison_folder(CAMPAIGN, 'int8-vs-fp16')}/report.json"


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """A folder with two results and a comparison."""
    folder = tmp_path_factory.mktemp("claims")
    compared = {"name": "int8-vs-fp16", "left": tuple(FP16), "right": tuple(INT8), "varies": ["precision"]}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_campaign(folder, [{"precision": "int8"}, {"precision": "fp16"}], [compared | {"ratio": 0.6}])
    return folder


@pytest.fixture
def here(evidence, monkeypatch):
    monkeypatch.chdir(evidence)
    return evidence


@pytest.mark.parametrize(("path", "make"), [(RESULT, claim_result), (REPORT, claim_comparison)])
def test_a_line_is_read_as_what_was_claimed(here, path, make):
    claim = make(path)
    again = parse_line(claim["line"])
    assert again["line"] == claim["line"] and "\n" not in claim["line"]
    for key in ("kind", "right", "left", "basis", "provenance", "digests", "confidence"):
        assert again[key] == claim[key]
    assert again["value"] == pytest.approx(claim["value"], rel=1e-5)
    assert (again["conditions"], again["sessions"]) == (None, None)
    assert set(claim["conditions"]["right"]) == set(FIELDS)


def test_a_document_is_read_and_one_that_was_changed_is_refused(here, tmp_path):
    claim = claim_comparison(REPORT)
    path = tmp_path / "claim.json"
    path.write_text(json.dumps(claim))
    assert read_claim(str(path)) == claim
    path.write_text(json.dumps(claim | {"value": claim["value"] * (claim["high"] / claim["value"]) ** 0.5}))
    with pytest.raises(UserError, match="figures are not those of its line"):
        read_claim(str(path))
    claim["conditions"]["right"]["kernel"] = "another"
    path.write_text(json.dumps(claim))
    with pytest.raises(UserError, match=r"digests\.state is not that of its conditions"):
        read_claim(str(path))


@pytest.mark.parametrize("text", ["it takes no time", "{", '{"schema": "edgeproof.claim.v1"}', "a\nb\n"])
def test_what_is_no_claim_is_refused(tmp_path, text):
    path = tmp_path / "claim"
    path.write_text(text)
    with pytest.raises(UserError):
        read_claim(str(path))


def test_a_signature_is_over_the_line(here, tmp_path):
    private, public = new_key("desk", tmp_path)
    _, stranger = new_key("stranger", tmp_path)
    claim = parse_line(render_signed(sign_claim(claim_result(RESULT), private)))
    assert check_signature(claim, public) == "desk"
    with pytest.raises(UserError, match="not what the key"):
        check_signature(claim | {"line": claim["line"].replace("takes ", "takes 1")}, public)
    with pytest.raises(UserError, match="does not hold the key"):
        check_signature(claim, stranger)
    with pytest.raises(UserError, match="not what the key"):
        check_signature(claim | {"signature": claim["signature"] | {"line": "AAAA"}}, public)
    with pytest.raises(UserError, match="is not signed"):
        check_signature(claim | {"signature": None}, public)


def test_a_bundle_must_hold_what_is_claimed(here, tmp_path):
    bundle = tmp_path / "run.zip"
    _, sha256 = make_bundle("run", str(INT8), bundle, False, None)
    claim = claim_result(RESULT, bundle)
    assert claim["bundle_sha256"] == sha256 and claim["line"].endswith(f"; bundle:{sha256}")
    with pytest.raises(UserError, match="does not hold what is claimed"):
        claim_comparison(REPORT, bundle)


def test_a_declared_number_keeps_what_its_source_tells():
    claim = declare_claim(str(INT8), str(FP16), 0.5, "a paper, table 2", {"runtime_version": "1.16 beta"})
    again = parse_line(claim["line"])
    assert (again["source"], again["told"], again["kind"]) == (
        "a paper, table 2",
        {"runtime_version": "1.16 beta"},
        "ratio",
    )
    assert parse_line(declare_claim(str(INT8), None, 3.0, "a paper", {})["line"])["told"] == {}
    with pytest.raises(UserError, match="colour: is no condition"):
        declare_claim(str(INT8), None, 3.0, "a paper", {"colour": "red"})


def test_the_protocol_of_a_claim_is_found_by_its_digest(here):
    claim, protocols = claim_result(RESULT), read_catalogue("protocol", REPOSITORY / "config")
    requested = {name: claim["conditions"]["right"][name] for name in ("processes", "warmup_seconds", "min_seconds")}
    own = {**protocols["quick"], **requested, "min_samples": claim["conditions"]["right"]["repeat_runs"]}
    own["warmup_runs"] = claim["conditions"]["right"]["warmup_runs"]
    assert find_protocol(claim["digests"]["protocol"], {"other": protocols["cold"], "own": own}) == "own"
    assert find_protocol(claim["digests"]["protocol"], {"other": protocols["cold"]}) is None


@pytest.mark.parametrize("target", [str(INT8), RESULT, f"{CAMPAIGN}/int8-vs-fp16", REPORT])
def test_the_verb_finds_what_is_meant(here, capsys, target):
    assert main(["claim", target], Path.cwd()) == 0
    assert " takes " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "claim a cell"),
        (["a/b/c/d"], "there is no results/runs/a/b/c/d"),
        (["a/b/c/d", "--declare", "3"], "--source TEXT"),
        (["a/b/c/d", "--declare", "fast", "--source", "x"], "no positive number"),
        (["a", "--declare", "3", "--source", "x"], "MODEL/PRESET/DEVICE/PRECISION"),
        (["a/b/c/d", "--declare", "3", "--source", "x", "--told", "cpu"], "write FIELD=VALUE"),
        (["a/b/c/d", "--source", "x"], "go with --declare"),
    ],
)
def test_a_mistake_is_a_line(here, words, message):
    with pytest.raises(UserError) as caught:
        main(["claim", *words], Path.cwd())
    assert message in str(caught.value)
