"""family.json: filled from what was measured, each number with its origin, recomputed when it is read."""

import copy
import json
from pathlib import Path

import pytest
from edgeproof.adaptation.families import fill_family, read_family
from edgeproof.bench.made_up_campaigns import make_campaign
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.seals import seal

from .conftest import DECLARED, FAMILY, SOURCES


def test_metadata_comes_from_the_results(filled):
    document, family = read_family(filled)
    result = read_json(SOURCES["half"]["result"], "result")
    known = family.variants["half"].metadata
    assert known.expected_latency_ms == result["latency"]["median_ms"] == pytest.approx(0.8, rel=0.02)
    assert known.latency_interval_ms == (result["latency"]["interval_low_ms"], result["latency"]["interval_high_ms"])
    assert known.memory_footprint_mb == pytest.approx(
        max(item["memory_peak_bytes"] - item["memory_baseline_bytes"] for item in result["processes"]) / 2**20
    )
    assert known.accuracy_score == 0.986 and known.accuracy_interval[0] < 0.986 < known.accuracy_interval[1]
    assert known.power_draw_estimate == "medium" and known.cpu_seconds > 0 and known.load_ms > 0
    origins = document["variants"]["half"]["origins"]
    assert (origins["expected_latency_ms"], origins["power_draw_estimate"]) == ("measured", "declared")
    assert document["both_loaded"][0]["memory_mb"] == pytest.approx(2 * known.memory_footprint_mb)
    assert (document["unchecked"], document["left_out"], document["stale"]) == ([], {}, [])
    assert set(document["digests"]) == {
        path for item in SOURCES.values() for key, path in item.items() if key != "path"
    }


def test_stale_declarations_are_named(measured):
    declared = copy.deepcopy(DECLARED)
    declared["variants"]["full"]["metadata"] |= {"expected_latency_ms": 120.0, "accuracy_score": 0.986}
    document = fill_family("digits", "desk", declared, SOURCES)
    assert len(document["stale"]) == 1
    assert document["stale"][0].startswith("full.expected_latency_ms: declared 120, measured 0.99")
    assert document["variants"]["full"]["metadata"]["expected_latency_ms"] < 2


def test_a_cell_that_failed_is_left_out(measured):
    make_campaign(measured, [{"precision": "int8", "kind": "wrong", "message": "far off"}])
    document = fill_family("digits", "desk", DECLARED, SOURCES)
    assert document["left_out"] == {"quantized": "parity failed: far off"}
    assert list(document["variants"]) == ["full", "half"]
    kinds = ["crashed", "no_artifact", "unsupported"]
    make_campaign(measured, [{"precision": p, "kind": k} for p, k in zip(("fp32", "fp16", "int8"), kinds, strict=True)])
    with pytest.raises(UserError, match="no variant can be used"):
        fill_family("digits", "desk", DECLARED, SOURCES)


def test_variants_take_and_give_the_same_tensors(measured):
    path = Path(SOURCES["half"]["identity"])
    other = seal({**json.loads(path.read_text()), "inputs": [{"name": "x", "dtype": "float32", "shape": [1, 4]}]})
    (path.parent / "other.json").write_text(json.dumps(other))
    sources = copy.deepcopy(SOURCES)
    sources["half"]["identity"] = str(path.parent / "other.json")
    with pytest.raises(UserError) as error:
        fill_family("digits", "desk", DECLARED, sources)
    assert "variants.half has the inputs x float32 [1, 4], variants.full has input" in str(error.value)


def test_models_of_their_own_have_intervals_of_their_own(measured):
    """The paired interval is about the same samples and reference; between two models it says nothing."""
    (measured / "other.json").write_text(Path(SOURCES["half"]["identity"]).read_text())
    sources = copy.deepcopy(SOURCES)
    paired = fill_family("digits", "desk", DECLARED, sources)["variants"]["half"]["metadata"]["accuracy_interval"]
    sources["full"]["identity"] = "other.json"
    alone = fill_family("digits", "desk", DECLARED, sources)["variants"]["half"]["metadata"]["accuracy_interval"]
    assert alone != paired and alone[0] < 0.986 < alone[1] <= 1


def test_a_missing_file_is_named(measured):
    Path(SOURCES["full"]["path"]).unlink()
    with pytest.raises(UserError, match="is missing; a variant"):
        fill_family("digits", "desk", DECLARED, SOURCES)


@pytest.mark.parametrize("metadata", [{"expected_latency_ms": float("nan")}, {"accuracy_score": True}, {"speed": 1.0}])
def test_declared_nonsense_is_refused(measured, metadata):
    declared = copy.deepcopy(DECLARED)
    declared["variants"]["full"]["metadata"] = metadata
    with pytest.raises(UserError, match=r"variants\.full\.metadata"):
        fill_family("digits", "desk", declared, SOURCES)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["variants"]["full"]["metadata"].update(expected_latency_ms=0.1), "expected_latency_ms"),
        (lambda d: d["variants"]["full"].update(sha256="0" * 64), "sha256"),
        (lambda d: d.update(key="0" * 64), "key"),
    ],
)
def test_an_edit_is_noticed_even_when_it_is_sealed_again(filled, change, told):
    document = json.loads(Path(FAMILY).read_text())
    change(document)
    Path(FAMILY).write_text(json.dumps(seal(document)))
    with pytest.raises(UserError, match=told):
        read_family(FAMILY)
