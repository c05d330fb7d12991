"""Both drivers of the service, over real sockets: what a client meets is the same."""

import json
import re
import socket
import threading

import pytest
from edgeproof.adaptation.asgi_service import HostServer
from edgeproof.adaptation.server_link import Link
from edgeproof.adaptation.service_load import compose_request
from edgeproof.bench.trial_family import WIDTH, write_family
from edgeproof.runtime.admission import ServiceLimits
from edgeproof.runtime.engine import Engine
from edgeproof.runtime.h11_server import H11Server, open_listener
from edgeproof.runtime.http_service import Service
from edgeproof.runtime.selection import MaximizeAccuracy

from ..runtime.malformed_requests import compose, make_malformed

INFER = "/v2/models/sums/infer"
LIMITS = ServiceLimits(workers=2, head_s=0.5, body_s=0.5, idle_s=1, drain_s=10, body_bytes=100_000, connections=40)
PATIENCE_S = 20


def make_body(x):
    return json.dumps(
        {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, WIDTH], "data": [x] * WIDTH}]}
    ).encode()


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = Engine(write_family(tmp_path_factory.mktemp("models")), MaximizeAccuracy())
    yield engine
    engine.close()


@pytest.fixture(scope="module", params=[H11Server, HostServer], ids=["h11", "uvicorn"])
def server(request, engine):
    server = request.param(Service(engine, "sums", LIMITS))
    server.start()
    yield server
    assert server.stop()


def exchange(server, data, close=False):
    """Send bytes on a connection of their own and return all that comes back until the server closes it."""
    with socket.create_connection(server.address, PATIENCE_S) as link:
        found = b""
        try:
            link.sendall(data)
            if close:
                link.shutdown(socket.SHUT_WR)
            while part := link.recv(65536):
                found += part
        except OSError:  # the server did not want the rest
            pass
    return found


def list_statuses(answer):
    """Return the statuses of all responses in what came back."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


def test_requests_follow_each_other_on_one_connection(server):
    link = Link(server.address)
    for number in range(5):
        assert link.ask(compose_request(server.address, INFER, make_body(number))) == 200
    link.close()
    body = make_body(3.0)
    twice = compose(body, f"content-length: {len(body)}") + compose(
        body, f"content-length: {len(body)}", "connection: close"
    )
    answer = exchange(server, twice)
    assert list_statuses(answer) == [200, 200] and answer.count(b"[7.0,7.0,") == 2
    assert answer.lower().count(b"edgeproof-variant: full") == 2


def test_a_chunked_body_and_one_that_waits_for_100_are_read(server):
    body = make_body(3.0)
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:])) + b"0\r\n\r\n"
    assert list_statuses(exchange(server, compose(chunks, "transfer-encoding: chunked", "connection: close"))) == [200]
    waiting = compose(body, f"content-length: {len(body)}", "expect: 100-continue", "connection: close")
    assert list_statuses(exchange(server, waiting))[-1] == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (compose(b"", "content-length: 100001"), 413),
        (compose(b"0\r\n\r\n", "content-length: 5", "transfer-encoding: chunked"), 400),
        (compose(b"x" * 5, "content-length: 5", "content-length: 6"), 400),
        (compose(b"", "x: " + "v" * 40_000), 431),
        (b"\x16\x03\x01 no HTTP at all\r\n\r\n", 400),
        (compose(b"%x\r\n" % 200_000 + b"x" * 150_000, "transfer-encoding: chunked"), 413),
        (compose(b"zz\r\n\r\n", "transfer-encoding: chunked"), 400),
    ],
)
def test_a_request_whose_end_is_unclear_or_that_is_too_long_ends_the_connection(server, data, status):
    assert list_statuses(exchange(server, data)) == [status]


def test_a_slow_head_and_a_slow_body_are_not_waited_for(server):
    """The connection ends, after a 408 where there is somebody to tell."""
    assert list_statuses(exchange(server, b"POST / HTTP/1.1\r\nhost: h")) in ([], [408])
    assert list_statuses(exchange(server, compose(b"{", "content-length: 50"))) == [408]


def test_malformed_requests_are_refused_and_the_next_good_one_is_answered(server):
    """A few of the 10,000 that the campaign tier sends."""
    statuses = []
    for seed in range(150):
        kind, data, _ = make_malformed(seed)
        statuses += [(kind, status) for status in list_statuses(exchange(server, data, close=True))]
    assert {status for _, status in statuses} <= {200, 400, 404, 405, 408, 413, 415, 431, 501}
    assert len({kind for kind, _ in statuses}) >= 9
    assert Link(server.address).ask(compose_request(server.address, INFER, make_body(1))) == 200


def test_a_listener_names_its_protocol():
    """Else asyncio holds small parts of a response back until the client has acknowledged what came before."""
    with open_listener("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP
        with pytest.raises(OSError):
            open_listener(*listener.getsockname())


@pytest.mark.parametrize("kind", [H11Server, HostServer])
def test_a_server_that_is_told_to_end_answers_what_it_has_taken_in(engine, kind):
    entered, go_on = threading.Event(), threading.Event()

    class Slow:
        name = "sums"

        def run(self, feed):
            entered.set()
            assert go_on.wait(PATIENCE_S)
            return engine.run(feed)

        def __getattr__(self, name):
            return getattr(engine, name)

    server = kind(Service(Slow(), "sums", LIMITS))
    server.start()
    address, found, ended = server.address, [], []
    link, request = Link(address), compose_request(address, INFER, make_body(1))
    asking = threading.Thread(target=lambda: found.append(link.ask(request)))
    asking.start()
    assert entered.wait(PATIENCE_S)
    ending = threading.Thread(target=lambda: ended.append(server.stop()))
    ending.start()
    go_on.set()
    asking.join(PATIENCE_S)
    ending.join(PATIENCE_S)
    assert found == [200] and ended == [True]
    with pytest.raises(OSError):
        socket.create_connection(address, 1)


def test_more_connections_than_allowed_are_told_so(engine):
    server = H11Server(Service(engine, "sums", LIMITS._replace(connections=1)))
    server.start()
    first = Link(server.address)
    assert first.ask(compose_request(server.address, INFER, make_body(1))) == 200
    assert list_statuses(exchange(server, compose(b"", "content-length: 0"))) == [503]
    first.close()
    assert server.stop()
