"""A service stands beside the inference runs with its own boundary, cold and warm apart."""

import pytest
from edgeproof.core.campaign import expand_campaign
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.phase_plan import expand_phases
from edgeproof.phases.services import list_latencies

from ..adaptation.made_up_server import write_service


@pytest.fixture
def service(tmp_path):
    """service.json of a made-up server with its raw latencies."""
    return write_service(tmp_path)


def test_cold_and_warm_have_rows_of_their_own(service):
    found = list_latencies(service)
    assert (found["boundary"], found["sha256"]) == ("transport", sha256_file(service))
    rows = {(row["load"], row["figure"]): row["value_ms"] for row in found["rows"]}
    assert rows[("2 fresh servers", "ready")] == 2000.0 and rows[("2 fresh servers", "first answer")] == 4.0
    assert rows[("one client", "p95")] == 1.0 and rows[("several clients", "p99")] == 1.0
    assert len(rows) == 8


def test_other_raw_latencies_are_refused(service):
    service.with_name("service.npz").write_bytes(b"edited")
    with pytest.raises(UserError, match="measure the service again"):
        list_latencies(service)


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
