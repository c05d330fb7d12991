"""The service without sockets: paths, refusals, the queue, the token, what it counts."""

import json
import threading

import jsonschema
import pytest
from edgeproof.bench.trial_family import WIDTH, write_family
from edgeproof.runtime.admission import ServiceLimits
from edgeproof.runtime.engine import Engine
from edgeproof.runtime.http_service import Service
from edgeproof.runtime.selection import MaximizeAccuracy
from edgeproof.runtime.wire import Head, Refusal

INFER = "/v2/models/sums/infer"
BODY = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, WIDTH], "data": [3.0] * WIDTH}]}).encode()


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = Engine(write_family(tmp_path_factory.mktemp("models")), MaximizeAccuracy())
    yield engine
    engine.close()


@pytest.fixture
def service(engine):
    return Service(engine, "sums", ServiceLimits(workers=1, queue=2, body_bytes=10_000, queue_s=0.05))


def ask(service, method, target, body=b"", **headers):
    """Return the response to a request, as a driver would get it."""
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    head = Head(method, target, [(b"host", b"here"), (b"content-length", str(len(body)).encode()), *pairs])
    refused = service.refuse_head(head)
    return refused if refused is not None else service.answer(head, body, service.admit(head))


def load(response):
    return json.loads(response.body)


def test_health_and_metadata_are_those_of_the_protocol(service):
    assert ask(service, "GET", "/v2/health/live").status == ask(service, "HEAD", "/v2/health/ready").status == 200
    server = load(ask(service, "GET", "/v2"))
    assert server["name"] == "edgeproof" and server["extensions"] == ["binary_tensor_data"]
    model = load(ask(service, "GET", "/v2/models/sums"))
    assert model["versions"] == ["full"] and model["platform"] == "onnxruntime"
    assert model["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, WIDTH]}]
    assert load(ask(service, "GET", "/v2/models/sums/ready?a=b"))["ready"]
    assert ask(service, "GET", "/v2/models/sums/versions/tiny/ready").status == 503


def test_an_answer_is_the_active_variant_s(service, engine):
    response = ask(service, "POST", INFER, BODY)
    assert response.status == 200 and load(response)["outputs"][0]["data"] == [7.0] * WIDTH
    assert load(response)["parameters"] == {"variant": "full", "generation": engine.generation}
    assert ask(service, "POST", "/v2/models/sums/versions/full/infer", BODY).status == 200
    other = ask(service, "POST", "/v2/models/sums/versions/tiny/infer", BODY)
    assert other.status == 404 and load(other)["error"] == "variant 'tiny' is not active; full is"


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("GET", "/", {}, 404),
        ("GET", "/v2/models", {}, 404),
        ("GET", "/v2/models/else", {}, 404),
        ("GET", "/v2/models/sums/config", {}, 404),
        ("GET", "/v2/models/%00", {}, 404),
        ("GET", INFER, {}, 405),
        ("POST", "/v2", {}, 405),
        ("POST", INFER, {"content_encoding": "gzip"}, 415),
        ("POST", INFER, {"transfer_encoding": "chunked"}, 400),
        ("POST", INFER, {"inference_header_content_length": "x"}, 400),
        ("POST", INFER, {}, 400),
    ],
)
def test_what_cannot_be_served_is_refused_with_a_reason(service, method, target, headers, status):
    response = ask(service, method, target, **headers)
    assert response.status == status and load(response)["error"]


def test_a_refusal_of_a_method_names_the_right_one(service):
    assert (b"allow", b"POST") in ask(service, "PUT", INFER).headers


@pytest.mark.parametrize("value", ["10001", "9" * 30])
def test_a_body_that_is_too_long_is_refused_before_it_is_read(service, value):
    response = service.refuse_head(Head("POST", INFER, [(b"content-length", value.encode())]))
    assert response is not None and response.status == 413 and response.close


def test_the_bearer_token_is_asked_for_everywhere_but_for_health(engine):
    service = Service(engine, "sums", ServiceLimits(), "secret")
    for headers in ({}, {"authorization": "Bearer secreT"}, {"authorization": "Basic secret"}, {"authorization": "é"}):
        for target in ("/v2", "/metrics", "/nothing"):
            assert ask(service, "GET", target, **headers).status == 401
    assert (b"www-authenticate", b"Bearer") in ask(service, "GET", "/v2").headers
    assert ask(service, "GET", "/v2/health/ready").status == 200
    assert ask(service, "POST", INFER, BODY, authorization="bearer secret").status == 200


def test_a_full_queue_says_when_to_come_again(service):
    head = Head("POST", INFER, [])
    admitted = [service.admit(head) for _ in range(3)]  # one works, two wait
    with pytest.raises(Refusal) as caught:
        service.admit(head)
    assert caught.value.status == 429 and caught.value.retry_after >= 1
    refused = service.refuse_head(head)
    assert refused is not None and dict(refused.headers)[b"retry-after"].isdigit()
    assert ask(service, "GET", "/v2/health/ready").status == 200  # health needs no place
    for at in admitted:
        assert service.answer(head, BODY, at).status == 200
    assert ask(service, "POST", INFER, BODY).status == 200


def test_who_waits_too_long_for_a_worker_is_told(service):
    head = Head("POST", INFER, [])
    service.admission.enter(service.admit(head))
    response = service.answer(head, BODY, service.admit(head))
    assert response.status == 503 and "no worker was free" in load(response)["error"]
    service.admission.exit(0.01)
    assert service.answer(head, BODY, service.admit(head)).status == 200


def test_a_server_that_stops_takes_nothing_new_and_finishes_what_it_has(service):
    head = Head("POST", INFER, [])
    at = service.admit(head)
    service.admission.drain()
    assert ask(service, "POST", INFER, BODY).status == 503
    assert ask(service, "GET", "/v2/health/ready").status == 503
    assert ask(service, "GET", "/v2/health/live").status == 200
    assert not service.admission.wait_until_idle(0)
    assert service.answer(head, BODY, at).status == 200
    assert service.admission.wait_until_idle(0)


def test_what_a_runtime_raises_is_a_500_that_tells_the_client_the_kind_only(tmp_path, capsys):
    engine = Engine(write_family(tmp_path), MaximizeAccuracy())
    with engine.borrow() as active:
        active.model.run = lambda feed: 1 / 0
    service = Service(engine, "sums", ServiceLimits())
    response = ask(service, "POST", INFER, BODY)
    assert response.status == 500 and load(response) == {"error": "the inference failed: ZeroDivisionError"}
    assert "division by zero" in capsys.readouterr().err
    engine.close()


def test_metrics_are_prometheus_s(service):
    for _ in range(3):
        ask(service, "POST", INFER, BODY)
    ask(service, "GET", "/nothing")
    page = ask(service, "GET", "/metrics")
    lines = page.body.decode().splitlines()
    assert page.status == 200 and dict(page.headers)[b"content-type"].startswith(b"text/plain")
    assert (
        'edgeproof_responses_total{status="200"} 3.0' in lines
        and 'edgeproof_responses_total{status="404"} 1.0' in lines
    )
    assert "edgeproof_inference_seconds_count 3.0" in lines and 'edgeproof_active_variant{variant="full"} 1.0' in lines
    assert "edgeproof_engine_swaps_attempted_total 0.0" in lines and "edgeproof_pending_requests 0.0" in lines


def test_the_openapi_document_describes_what_is_answered(service):
    document = load(ask(service, "GET", "/openapi.json"))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = BODY if method == "post" else b""
            response = ask(service, method.upper(), path, body)
            described = operation["responses"][str(response.status)]["content"]
            content_type = dict(response.headers)[b"content-type"].decode().split(";")[0]
            assert response.status == 200 and content_type in described
            if content_type == "application/json":
                jsonschema.validate(load(response), described[content_type]["schema"])
    assert set(document["paths"]["/v2/models/sums/infer"]["post"]["responses"]) >= {"400", "413", "429", "503"}


def test_answers_from_many_threads_are_each_one_s_own(engine):
    service = Service(engine, "sums", ServiceLimits(workers=2, queue=64))
    wrong = []

    def work(client):
        for number in range(40):
            x = client * 1000 + number
            tensor = {"name": "x", "datatype": "FP32", "shape": [1, WIDTH], "data": [x] * WIDTH}
            response = ask(service, "POST", INFER, json.dumps({"id": str(x), "inputs": [tensor]}).encode())
            document = load(response)
            if document["outputs"][0]["data"] != [2.0 * x + 1] * WIDTH or document["id"] != str(x):
                wrong.append(x)

    threads = [threading.Thread(target=work, args=(client,)) for client in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and service.admission.pending == 0
