"""Clients that others have written, against both drivers: Triton's own, and a fuzzer of the API's description."""

import numpy as np
import pytest
import schemathesis
from edgeproof.adaptation.asgi_service import HostServer
from edgeproof.bench.trial_family import WIDTH, write_family
from edgeproof.runtime.admission import ServiceLimits
from edgeproof.runtime.engine import Engine
from edgeproof.runtime.h11_server import H11Server
from edgeproof.runtime.http_service import Service
from edgeproof.runtime.openapi import describe_api
from edgeproof.runtime.selection import MaximizeAccuracy
from hypothesis import HealthCheck, given, settings
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.campaign


@pytest.fixture(scope="module", params=[H11Server, HostServer], ids=["h11", "uvicorn"])
def url(request, tmp_path_factory):
    engine = Engine(write_family(tmp_path_factory.mktemp("models")), MaximizeAccuracy())
    server = request.param(Service(engine, "sums", ServiceLimits()))
    server.start()
    yield "{}:{}".format(*server.address)
    assert server.stop()
    engine.close()


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_tritons_client_gets_what_it_asks_for(url, binary_in, binary_out):
    client = triton.InferenceServerClient(url)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("sums")
    assert client.get_server_metadata()["name"] == "edgeproof"
    assert client.get_model_metadata("sums")["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, WIDTH]}]
    x = np.arange(2 * WIDTH, dtype="float32").reshape(2, WIDTH)
    tensor = triton.InferInput("x", x.shape, "FP32")
    tensor.set_data_from_numpy(x, binary_data=binary_in)
    wanted = [triton.InferRequestedOutput("y", binary_data=binary_out)]
    answer = client.infer("sums", [tensor], request_id="7", outputs=wanted)
    assert np.array_equal(answer.as_numpy("y"), 2 * x + 1)
    assert answer.get_response()["id"] == "7" and answer.get_response()["parameters"]["variant"] == "full"
    assert np.array_equal(client.infer("sums", [tensor]).as_numpy("y"), 2 * x + 1)
    with pytest.raises(InferenceServerException, match="no model 'else'"):
        client.infer("else", [tensor])
    client.close()


SCHEMA = schemathesis.openapi.from_dict(describe_api("sums", "1", False))
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_what_the_description_allows_is_answered_as_described(url, operation):
    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case):
        case.call_and_validate(base_url=f"http://{url}")

    ask()
