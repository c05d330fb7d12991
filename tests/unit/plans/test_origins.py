"""Measured numbers of a scenario are those of the result files that they name."""

import pytest
from edgeproof.core.errors import UserError
from edgeproof.plans.scenario import origins

NUMBERS = {key: {"value": 1.0, "digest": "a" * 64} for key in ("latency_ms", "weights_mb", "activations_mb")}
LINK = {key: {"value": 0.5, "digest": "b" * 64, "result": "links.json"} for key in ("latency_ms_per_mb", "setup_ms")}


@pytest.fixture
def document(monkeypatch):
    """A scenario document whose numbers follow from the result and the links that it names."""
    reads = []

    def describe(result, path):
        reads.append(path)
        return {key: {**number, "result": path} for key, number in NUMBERS.items()}

    monkeypatch.setattr(origins, "read_result", lambda path: {})
    monkeypatch.setattr(origins, "assemble_numbers", describe)
    monkeypatch.setattr(origins, "list_links", lambda wanted, path: [{"source": "e", "target": "host", **LINK}])
    monkeypatch.setattr(origins, "sha256_file", lambda path: "c" * 64)
    variant = {key: {**number, "result": "r.json"} for key, number in NUMBERS.items()}
    stage = {"name": "a", "profiles": {"e": [variant, {"latency_ms": 3.0}], "f": {"latency_ms": 2.0}}}
    declared = {"source": "host", "target": "e", "setup_ms": {"value": 9, "provenance": "declared"}}
    links = [{"source": "e", "target": "host", **LINK}, declared]
    return {"stages": [stage], "links": links}, reads


def test_true_numbers_pass_and_each_file_is_read_once(document):
    scenario, reads = document
    assert origins.check_origins(scenario, "s.json") is None
    assert reads == ["r.json"]


@pytest.mark.parametrize("key", ["latency_ms", "weights_mb", "activations_mb"])
def test_another_value_is_named(document, key):
    number = document[0]["stages"][0]["profiles"]["e"][0][key]
    number["value"] = 0.9
    with pytest.raises(UserError, match=f"^s.json: stage 'a' on e, {key} is 0.9, but r.json says 1.0$"):
        origins.check_origins(document[0], "s.json")


def test_another_file_is_named(document):
    document[0]["stages"][0]["profiles"]["e"][0]["latency_ms"]["digest"] = "d" * 64
    with pytest.raises(UserError, match=r"r.json has changed since \(sha256 ccc.*\); run the workflow again"):
        origins.check_origins(document[0], "s.json")


def test_links_are_checked_too(document):
    document[0]["links"][0]["setup_ms"] = {**LINK["setup_ms"], "value": 0.1}
    with pytest.raises(UserError, match=r"link e to host, setup_ms is 0.1, but links.json says 0.5"):
        origins.check_origins(document[0], "s.json")
    document[0]["links"][0]["source"] = "f"
    with pytest.raises(UserError, match=r"link f to host, latency_ms_per_mb is 0.5, but links.json says None"):
        origins.check_origins(document[0], "s.json")
