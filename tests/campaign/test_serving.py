"""Serving for minutes: swaps under load with planted faults, and ten thousand requests that nobody should send."""

import json
import re
import socket

import psutil
import pytest
from edgeproof.adaptation.asgi_service import HostServer
from edgeproof.adaptation.server_link import Link
from edgeproof.adaptation.service_load import compose_request
from edgeproof.bench.swap_trials import FAULTS, run_swaps
from edgeproof.bench.swap_verdicts import judge_log
from edgeproof.bench.trial_family import WIDTH, write_family
from edgeproof.runtime.admission import ServiceLimits
from edgeproof.runtime.engine import Engine
from edgeproof.runtime.h11_server import H11Server
from edgeproof.runtime.http_service import Service
from edgeproof.runtime.selection import MaximizeAccuracy

from ..unit.runtime.malformed_requests import make_malformed

pytestmark = pytest.mark.campaign
BODY = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, WIDTH], "data": [3.0] * WIDTH}]}).encode()


def test_swaps_under_load_lose_no_request_and_leave_nothing_over(tmp_path):
    """The short form of `make bench-swaps`; its seed has every fault."""
    log = tmp_path / "log.jsonl"
    with log.open("w", buffering=1) as stream:
        run_swaps(tmp_path, 60, 0.0, 3, lambda line: print(json.dumps(line), file=stream))
    document = judge_log(log)
    assert all(document["outcomes"][fault] for fault in FAULTS)
    assert document["proved"], {key: document[key] for key in ("unexpected", "wrong_counters", "left_over", "dropped")}
    assert document["swaps"] >= 60 and document["requests"] > 500


@pytest.mark.parametrize("kind", [H11Server, HostServer])
def test_ten_thousand_malformed_requests_cost_nothing(tmp_path, kind):
    """No crash, no 500, no memory, and the next good request is answered. Half of them per driver."""
    engine = Engine(write_family(tmp_path), MaximizeAccuracy())
    service = Service(engine, "sums", ServiceLimits(head_s=0.3, body_s=0.3, body_bytes=100_000))
    server = kind(service)
    server.start()
    process, before, statuses = psutil.Process(), None, set()
    for seed in range(5000):
        _, data, close = make_malformed(seed)
        statuses |= send(server.address, data, close)
        if seed == 1000:
            before = process.memory_info().rss
    assert before is not None and process.memory_info().rss - before < 32 * 2**20
    assert statuses <= {200, 400, 404, 405, 408, 413, 415, 431, 501} and len(statuses) > 5
    assert Link(server.address).ask(compose_request(server.address, "/v2/models/sums/infer", BODY)) == 200
    assert server.stop()
    engine.close()


def send(address, data, close):
    """Send bytes and return the statuses that came back; who does not close its side waits for the server to do it."""
    found = b""
    with socket.create_connection(address, 30) as link:
        try:
            link.sendall(data)
            if close:
                link.shutdown(socket.SHUT_WR)
            link.settimeout(0.02 if not close else 30)  # most clients that stay open are left to the server's limits
            while part := link.recv(65536):
                found += part
        except OSError:
            pass
    return {int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", found)}
