"""Load: schedules are what they say, and latency counts from when a request was due."""

import socket
import threading

import numpy as np
import pytest
from edgeproof.adaptation.service_load import compose_request, draw_schedule, run_closed_loop, run_open_loop
from scipy import stats

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class StandInServer:
    """Answers every request; `hold`: what to wait for before each answer."""

    def __init__(self, hold=None, answer=ANSWER):
        self.hold, self.answer = hold, answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(link,), daemon=True).start()

    def _answer(self, link):
        with link:
            while link.recv(65536):
                if self.hold is not None:
                    self.hold()
                link.sendall(self.answer)


@pytest.fixture
def request_bytes():
    return compose_request(("127.0.0.1", 1), "/x", b"{}", "token")


def test_a_request_has_its_length_and_token(request_bytes):
    assert request_bytes.endswith(b"\r\n\r\n{}") and b"content-length: 2\r\n" in request_bytes
    assert b"authorization: Bearer token\r\n" in request_bytes
    assert b"host: [::1]:5\r\n" in compose_request(("::1", 5), "/", b"")


def test_poisson_gaps_are_exponential_and_constant_gaps_equal():
    due = draw_schedule("poisson", 50.0, 200.0, 7)
    gaps = np.diff(due)
    assert stats.kstest(gaps, "expon", args=(0, 1 / 50)).pvalue > 0.001
    assert abs(len(due) - 10_000) < 400 and due[-1] < 200 and (gaps > 0).all()
    assert np.array_equal(due, draw_schedule("poisson", 50.0, 200.0, 7))
    assert not np.array_equal(due, draw_schedule("poisson", 50.0, 200.0, 8)[: len(due)])
    assert (
        np.allclose(np.diff(draw_schedule("constant", 4.0, 2.0, 0)), 0.25)
        and len(draw_schedule("constant", 4, 2, 0)) == 8
    )


def test_a_request_that_had_to_wait_for_a_connection_is_late_since_it_was_due(request_bytes):
    """Three requests are due at once, over one connection, and the server needs 50 ms for each."""
    server = StandInServer(hold=lambda: threading.Event().wait(0.05))
    found = run_open_loop(server.address, request_bytes, np.array([0.0, 0.0, 0.0]), 1)
    server.listener.close()
    latency = np.sort(found.latency_ns) / 1e6
    assert (latency >= [50, 100, 150]).all() and found.failed == 0


def test_a_closed_loop_counts_what_its_clients_got(request_bytes):
    server = StandInServer()
    found = run_closed_loop(server.address, request_bytes, 2, 0.1)
    server.listener.close()
    assert (
        len(found.status) >= 2 and found.failed == 0 and found.rate == pytest.approx(len(found.status) / found.seconds)
    )


@pytest.mark.parametrize(
    ("answer", "status"),
    [(b"HTTP/1.1 429 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", 429), (b"nonsense\r\n\r\n", 0)],
)
def test_what_is_no_good_answer_counts_as_failed(request_bytes, answer, status):
    server = StandInServer(answer=answer)
    found = run_open_loop(server.address, request_bytes, np.array([0.0]), 1)
    server.listener.close()
    assert found.status.tolist() == [status] and found.failed == 1 and found.rate == 0


def test_a_server_that_is_not_there_is_a_failure(request_bytes):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    assert run_open_loop(address, request_bytes, np.array([0.0]), 1).status.tolist() == [0]
