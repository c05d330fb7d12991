"""A report, and a gate, open, parse and recompute each file of their campaign once."""

import json
from collections import Counter
from pathlib import Path

import pytest
from edgeproof.core import documents
from edgeproof.core.campaign import DEFAULT_REGRESSIONS
from edgeproof.core.verified import ignore_verified
from edgeproof.evidence.collecting import collect_evidence
from edgeproof.evidence.gate import check_gate
from edgeproof.runs import raw_samples, results

from .conftest import COMPARISONS, NOISE

SETTINGS = DEFAULT_REGRESSIONS | {"gated": [comparison["name"] for comparison in COMPARISONS]}


@pytest.fixture
def parsed(monkeypatch):
    """A counter of what is parsed and recomputed: JSON texts, tables of samples, results."""
    counts = Counter()

    def count(module, name, key):
        function = getattr(module, name)

        def counted(*args, **kwargs):
            counts[key] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(module, name, counted)

    count(json, "loads", "documents")
    count(raw_samples, "_parse_rows", "samples")
    count(results, "summarise_samples", "results")
    documents.load_schema("result")  # a schema is no document of the campaign; those of the others are read here too
    for path in documents.SCHEMAS.glob("*.schema.json"):
        documents.load_schema(path.name.removesuffix(".schema.json"))
    counts.clear()
    return counts


def list_opened(names):
    """Return how often each file below results/ was opened for reading."""
    return Counter(name for name in names if name.startswith("results/") and Path(name).is_file())


def is_parsed(name):
    """Tell whether a file is a document that is read; what an agent kept for its own use is only hashed."""
    hashed = name.endswith("/spec.json") or (name.startswith("results/runs/") and name.endswith("/session.json"))
    return name.endswith(".json") and not hashed


def test_report_opens_and_parses_each_file_once(campaign, opened, parsed):
    with ignore_verified(), opened() as names:
        evidence = collect_evidence(campaign, noise_paths=NOISE, regressions=SETTINGS)
    counts = list_opened(names)
    repeated = {name: count for name, count in counts.items() if count > 1}
    assert not repeated
    measured = [item for item in evidence.cells if item.result["latency"] is not None]
    assert {item.paths[name] for item in evidence.cells for name in ("result", "samples", "manifest")} <= set(counts)
    assert {path for item in evidence.comparisons for path in item.paths.values()} <= set(counts)
    assert len(measured) >= 6
    assert parsed["results"] == parsed["samples"] == len(measured)
    assert parsed["documents"] == sum(is_parsed(name) for name in counts)


def test_a_report_after_another_opens_each_file_once_and_recomputes_nothing(campaign, opened, parsed):
    collect_evidence(campaign, noise_paths=NOISE, regressions=SETTINGS)
    parsed.clear()
    with opened() as names:
        collect_evidence(campaign, noise_paths=NOISE, regressions=SETTINGS)
    assert {name: count for name, count in list_opened(names).items() if count > 1} == {}
    assert parsed["results"] == 0


def test_gate_opens_and_parses_each_file_once(campaign, opened, parsed, tmp_path):
    with ignore_verified(), opened() as names:
        check_gate(campaign, (), tmp_path / "gate.json", SETTINGS)
    counts = list_opened(names)
    assert {name: count for name, count in counts.items() if count > 1} == {}
    assert f"results/comparability/trial/{COMPARISONS[0]['name']}/pairs.csv" in counts
    assert (
        parsed["results"] == parsed["samples"] == sum(name.endswith("samples.csv") for name in counts) - _count_empty()
    )
    assert parsed["documents"] == sum(is_parsed(name) for name in counts)


def _count_empty():
    """Return how many cells of the campaign have no samples, so that there is nothing to parse."""
    paths = Path("results/runs").rglob("result.json")
    return sum(json.JSONDecoder().decode(path.read_text())["latency"] is None for path in paths)


def test_second_report_reads_everything_again(campaign, opened):
    with opened() as first:
        collect_evidence(campaign, noise_paths=NOISE)
    with opened() as second:
        collect_evidence(campaign, noise_paths=NOISE)
    assert list_opened(first) == list_opened(second)
