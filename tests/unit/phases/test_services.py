"""A service stands beside the inference runs with its own boundary, cold and warm apart."""

import json

import pytest
from edgeproof.core.campaign import expand_campaign
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.phase_plan import expand_phases
from edgeproof.phases.services import read_service

FIGURES = {f"{name}_ms": {"value": value, "low": value - 0.1, "high": value + 0.1} for name, value in
           (("p50", 1.0), ("p90", 1.5), ("p95", 2.0), ("p99", 3.0))}  # fmt: skip


@pytest.fixture
def service(tmp_path):
    """A made-up service.json with its raw latencies."""
    (tmp_path / "service.npz").write_bytes(b"raw")
    use = {"clients": 1, "requests": 100, "failed": 0, "per_second": 900.0, "latency": FIGURES, "server": None}
    numbers = ("budget_ms", "seconds", "stretches", "starts", "clients", "connections", "steps", "seed")
    document = {
        "schema": "edgeproof.service.v1",
        "family": "digits",
        "device": "local",
        "family_sha256": "0" * 64,
        "boundary": "transport",
        "inputs": "random",
        "clocks": {"client": {"machine": None, "clock": "a clock", "resolution_s": 1e-9}, "server": None},
        "setting": dict.fromkeys(numbers, 1),
        "confidence": 0.95,
        "cold": {"starts": 3, "ready_s": [0.5, 0.4, 0.9], "first_answer_ms": [9.0, 7.0, 8.0]},
        "single_stream": use,
        "closed": {**use, "clients": 8},
        "capacity": {
            "scenario": "Server",
            "statistic": "p99",
            "budget_ms": 50,
            "holds": 1.0,
            "fails": 2.0,
            "tried": [],
        },
        "open": [],
        "raw": {"file": "service.npz", "sha256": sha256_file(tmp_path / "service.npz")},
    }
    path = tmp_path / "service.json"
    path.write_text(json.dumps(document))
    return path


def test_cold_and_warm_have_rows_of_their_own(service):
    found = read_service(service)
    assert (found["boundary"], found["sha256"]) == ("transport", sha256_file(service))
    rows = {(row["load"], row["figure"]): row["value_ms"] for row in found["rows"]}
    assert rows[("3 fresh servers", "ready")] == 500.0 and rows[("3 fresh servers", "first answer")] == 8.0
    assert rows[("one client", "p95")] == 2.0 and rows[("several clients", "p99")] == 3.0
    assert len(rows) == 8


def test_other_raw_latencies_are_refused(service):
    service.with_name("service.npz").write_bytes(b"edited")
    with pytest.raises(UserError, match="measure the service again"):
        read_service(service)


SERVED = {"families": ["digits"], "policies": ["balanced"], "traces": ["desk"]}


def plan(**adaptation):
    """Return the plan of a campaign whose phases name the service digits."""
    catalogues = {kind: read_catalogue(kind, REPOSITORY / "config") for kind in CATALOGUES}
    config = {
        "campaign": "trial",
        "protocol": "quick",
        "policy": "strict",
        "devices": ["local"],
        "matrices": [{"models": ["digits-cnn"], "presets": ["ort-cpu"], "precisions": ["fp32", "fp16", "int8"]}],
        "phases": {"model": "digits-cnn", "service": "digits"},
        **adaptation,
    }
    return expand_phases(config, expand_campaign(config, catalogues, "here"), catalogues, "here")


def test_a_service_is_one_of_the_campaigns():
    assert plan(adaptation={**SERVED, "service": {"budget_ms": 50}}).service == "digits"


@pytest.mark.parametrize(
    ("adaptation", "fault"),
    [({"adaptation": SERVED}, "give adaptation.service"), ({}, "name 'digits' in adaptation.families")],
)
def test_any_other_service_is_refused(adaptation, fault):
    with pytest.raises(UserError, match=fault):
        plan(**adaptation)
