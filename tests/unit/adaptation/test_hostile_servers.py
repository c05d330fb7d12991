"""Servers that answer something else: no figure for what is no answer of the model, one line, and no end that is not
reached.
"""

import itertools
import json
import threading
import tracemalloc

import numpy as np
import pytest
from edgeproof.__main__ import main
from edgeproof.adaptation.answer_checks import AnswerCheck
from edgeproof.adaptation.server_elsewhere import measure_server
from edgeproof.adaptation.server_link import Limits, Link, NoAnswer
from edgeproof.adaptation.service_figures import ServiceSetting
from edgeproof.adaptation.service_load import WRONG, compose_request, run_closed_loop, run_open_loop
from edgeproof.adaptation.service_measurement import ask_server, compose_question, warm_up
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.program_start import run

from .hostile_server import HostileServer, respond
from .test_service_measurement import write_family_file

REQUEST = compose_request(("127.0.0.1", 1), "/x", b"{}")
SETTING = ServiceSetting(starts=0, seconds=0.05, stretches=2, steps=2, clients=2)
CHECK = AnswerCheck("sums", [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}])


def describe(**changes):
    output = {"name": "y", "datatype": "FP32", "shape": [1, 4], "data": [0, 0.5, 1, 2]}
    model = changes.pop("model_name", "sums")
    return {"model_name": model, "model_version": "a", "outputs": [{**output, **changes}]}


def encode(document):
    return json.dumps(document).encode()


def test_a_good_answer_has_no_fault():
    assert CHECK.find_fault(encode(describe())) is None
    assert CHECK.find_fault(encode(describe(shape=[2, 4], data=[[0, 1, 2, 3], [4, 5, 6, 7]]))) is None


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"<html>hello</html>", "is not JSON"),
        (b"", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (encode({}), "model_name of its answer is None"),
        (encode(describe(model_name="other")), "model_name of its answer is 'other', not 'sums'"),
        (encode({"model_name": "sums"}), "outputs of its answer is not a list"),
        (encode({"model_name": "sums", "outputs": []}), "the model has y"),
        (encode(describe(name="zzz")), "the outputs ['zzz']; the model has y"),
        (encode(describe(datatype="FP64")), "is 'FP64', not FP32"),
        (encode(describe(shape=[1, 5], data=[0] * 5)), "has the shape [1, 5]; the model has [-1, 4]"),
        (encode(describe(shape=[4])), "has the shape [4]"),
        (encode(describe(shape=[1, -4])), "has the shape [1, -4]"),
        (encode(describe(shape="1x4")), "has the shape '1x4'"),
        (encode(describe(data=[])), "has 0 values, not 4"),
        (encode(describe(data=None)), "has no list of values"),
        (encode(describe(data=[0, 1, 2])), "has 3 values, not 4"),
        (encode(describe(data=[0, 1, 2, "3"])), "has values that are not FP32"),
        (encode(describe(data=[0, 1, 2, True])), "has values that are not FP32"),
        (encode(describe(data=[0, 1, 2, float("nan")])), "NaN is not JSON"),
    ],
)
def test_what_is_no_answer_of_the_model_is_named(body, named):
    assert named in CHECK.find_fault(body)
    assert not CHECK(body)


def test_whole_numbers_stay_in_their_range():
    check = AnswerCheck("sums", [{"name": "y", "datatype": "UINT8", "shape": [2]}])
    assert check(encode(describe(datatype="UINT8", shape=[2], data=[0, 255])))
    for data in ([0, 256], [0, -1], [0, 1.5]):
        assert not check(encode(describe(datatype="UINT8", shape=[2], data=data)))


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", encode(describe(model_name="other")), encode(describe(data=[]))]
)
def test_a_server_of_something_else_has_no_figures(tmp_path, body, capsys):
    with HostileServer([respond(body)]) as server:
        words = [server.url, "--config", write_family_file(tmp_path), "--device", "desk"]
        words += ["--output", tmp_path / "out", "--seconds", 0.1, "--stretches", 2, "--steps", 2]
        code = run(lambda argv: main(argv, REPOSITORY), ["adaptation", "measure-server", *map(str, words)])
    assert code == ExitCode.MISTAKE and "is no server of this family" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_comparison_asks_the_same_of_both_servers(tmp_path):
    """`compare-servers` warms up with `warm_up`, and its answers go through the same check."""
    with HostileServer([respond(b"{}")]) as server:
        question = ask_server(compose_question(write_family_file(tmp_path)), server.address)
        with pytest.raises(UserError, match="is no server of this family"):
            warm_up(question)


class Turning:
    """A check that calls every second body good."""

    def __init__(self):
        self._turn = itertools.count()

    def __call__(self, body):
        return next(self._turn) % 2 == 0


def test_an_answer_that_turns_bad_under_load_counts_as_failed():
    with HostileServer([respond(b"{}")]) as server:
        opened = run_open_loop(server.address, REQUEST, np.zeros(6), 1, Turning())
        closed = run_closed_loop(server.address, REQUEST, 1, 0.05, lambda body: False)
    assert opened.status.tolist() == [200, WRONG] * 3 and opened.failed == 3
    assert len(closed.status) > 0 and set(closed.status.tolist()) == {WRONG} and closed.rate == 0


LIMITS = Limits(head=1 << 12, body=1 << 20, seconds=0.5)


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ([respond(b"ok", length=-5)], "no content-length that is a number"),
        ([respond(b"ok", length=1)], "longer than its content-length of 1"),
        ([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"], "no content-length"),
        ([respond(b"abc", length=99_999_999_999_999)], "99999999999999 bytes, more than 1048576"),
        ([b"\x00\xff\xfe" * 100 + b"\r\n\r\n"], "something else than HTTP"),
        ([b"HTTP/1.1 200 OK\r\n", *[b"x: " + b"y" * 6000 + b"\r\n"] * 1000], "head of its answer has more than 4096"),
        ([respond(b"", length=1000), *[b"x"] * 1000], "takes longer than 0.5 s|timed out"),
        ([b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n"] * 1000], "takes longer than 0.5 s|timed out"),
    ],
    ids=["negative", "too long", "chunked", "huge", "garbage", "endless head", "dripping body", "dripping head"],
)
def test_every_answer_is_read_within_limits(parts, named):
    drip = threading.Event()
    with HostileServer(parts, lambda: drip.wait(0.02)) as server:
        tracemalloc.start()
        with pytest.raises(NoAnswer, match=named):
            Link(server.address, LIMITS).fetch(REQUEST)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        drip.set()
    assert most < 1 << 20


def test_a_date_that_is_none_tells_no_clock(tmp_path):
    """The family's own answer is checked after it: the clock must not end the measurement."""
    hostile = HostileServer([respond(b"{}", b"date: yesterday noon")])
    with hostile as server, pytest.raises(UserError, match="is no server of this family: model_name"):
        measure_server(server.url, write_family_file(tmp_path), "desk", SETTING, tmp_path / "out", None)


def test_a_health_answer_is_not_read_to_its_end(tmp_path):
    """Its head says all that is wanted; what follows may be endless."""
    never = threading.Event()
    with HostileServer([respond(b"", length=1 << 40), b"x"], never.wait) as server:
        with pytest.raises(UserError, match="gives no answer to the request: its answer has 1099511627776 bytes"):
            measure_server(server.url, write_family_file(tmp_path), "desk", SETTING, tmp_path / "out", None)
        never.set()
