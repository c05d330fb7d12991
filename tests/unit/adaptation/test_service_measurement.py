"""The search for the highest rate that holds a budget, on servers whose limit is known; one real measurement; and what
is noticed when its document or its raw data are edited.
"""

import json

import numpy as np
import pytest
from edgeproof.adaptation.served_process import serve_in_process
from edgeproof.adaptation.service_figures import Loaded, ServiceSetting, describe_service, find_capacity
from edgeproof.adaptation.service_load import Answers
from edgeproof.adaptation.service_measurement import measure_service
from edgeproof.adaptation.service_records import read_service
from edgeproof.bench.trial_family import write_family
from edgeproof.core.documents import write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.tensors import read_tensors, write_tensors

from .made_up_server import MadeUp, write_service


@pytest.mark.parametrize("first", [20.0, 100.0, 900.0])
def test_the_search_closes_in_on_the_rate_that_holds(first):
    found = find_capacity(MadeUp(limit=130.0), first, ServiceSetting(steps=14))
    assert found["holds"] <= 130 < found["fails"] and found["fails"] / found["holds"] < 1.2
    assert len(found["tried"]) == 14


def test_rates_that_nobody_can_tell_lie_between_the_limits():
    found = find_capacity(MadeUp(limit=100.0, unclear=140.0), 120.0, ServiceSetting(steps=14))
    assert found["holds"] <= 100 and (found["fails"] is None or found["fails"] > 140)


def test_a_server_that_holds_nothing_has_no_rate():
    found = find_capacity(MadeUp(limit=0.0), 100.0, ServiceSetting(steps=4))
    assert found["holds"] is None and found["fails"] == pytest.approx(100 / 2**3)


class Dead(MadeUp):
    """A server that has ended: no request has an answer."""

    def keep(self, name, stretches):
        none = [Answers(np.ones(len(ms), "int64"), np.zeros(len(ms), "int16"), 1.0) for ms in stretches]
        return Loaded(none, None)


def test_a_server_that_ended_has_no_figures():
    with pytest.raises(UserError, match=r"single_stream: none of 250 requests had a good answer"):
        describe_service(Dead(limit=100.0), ServiceSetting())


@pytest.fixture
def stored(tmp_path):
    return write_service(tmp_path)


def test_what_was_written_follows_from_its_raw_data(stored):
    assert read_service(stored)["capacity"]["holds"] <= 130


@pytest.mark.parametrize(
    ("place", "key", "value", "named"),
    [
        ("closed", "per_second", 9e9, r"closed\.per_second is"),
        ("capacity", "holds", 9e9, r"capacity\.holds is"),
        ("cold", "ready_s", [0.1, 0.1], r"cold\.ready_s\[0\] is 0\.1"),
        ("setting", "budget_ms", 2000.0, r"capacity\.\S+ is"),
        ("setting", "seed", 5, "were due at"),
        ("setting", "seconds", 1e12, "were due at"),
    ],
)
def test_an_edited_figure_is_named_even_where_the_seal_was_made_again(stored, place, key, value, named):
    document = json.loads(stored.read_text())
    document[place][key] = value
    stored.write_text(json.dumps(document))
    with pytest.raises(UserError, match="edited"):
        read_service(stored)
    del document["document_sha256"]
    write_sealed(stored, document, "service")
    with pytest.raises(UserError, match=named):
        read_service(stored)


def test_edited_raw_data_are_noticed(stored):
    raw = read_tensors(stored.with_name("service.npz"))
    raw["closed/0/latency_ns"] = raw["closed/0/latency_ns"] // 2
    write_tensors(stored.with_name("service.npz"), raw)
    with pytest.raises(UserError, match=r"service\.npz: was changed since it was measured"):
        read_service(stored)


def write_family_file(folder):
    family = write_family(folder)
    variants = {name: {"path": f"{name}.onnx", "tier": "high"} for name in family.variants}
    (folder / "family.yaml").write_text(json.dumps({"family": "sums", "variants": variants}))
    return folder / "family.yaml"


@pytest.mark.campaign
def test_a_measurement_is_a_document_with_its_raw_data(tmp_path):
    setting = ServiceSetting(budget_ms=200, seconds=0.3, stretches=3, starts=2, clients=2, connections=4, steps=3)
    output = tmp_path / "service.json"
    measure_service(write_family_file(tmp_path), "local", setting, output, tmp_path / "service.npz")
    document = read_service(output)
    assert document["single_stream"]["failed"] == document["closed"]["failed"] == 0
    assert len(document["cold"]["ready_s"]) == 2 and document["capacity"]["holds"] > 10
    assert [row["arrivals"] for row in document["open"]] == ["poisson", "constant"]
    with np.load(tmp_path / "service.npz") as raw:
        times = [raw[f"single_stream/{number}/latency_ns"] for number in range(3)]
    assert sum(map(len, times)) == document["single_stream"]["requests"]
    medians = [float(np.quantile(one, 0.5)) / 1e6 for one in times]
    assert document["single_stream"]["latency"]["p50_ms"]["value"] == pytest.approx(np.mean(medians))


def test_a_family_that_cannot_be_served_says_why(tmp_path):
    path = write_family_file(tmp_path)
    (tmp_path / "full.onnx").write_text("no model")
    with pytest.raises(UserError, match=r"edgeproof serve .*family.yaml"), serve_in_process(path):
        raise AssertionError("the server is up")
