"""The download against a loopback server that misbehaves on request. Nothing sleeps: pauses are recorded."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import download_model
import pytest
from edgeproof.core.attempts import list_attempts
from edgeproof.core.errors import UserError
from edgeproof.core.program_start import run
from edgeproof.sources import fetching
from edgeproof.sources.input_faults import InputFault, read_note, write_note

CONTENT = bytes(range(256)) * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TAG = '"one"'


class Server:
    """Answers request number i with `script[i]`, and with the last entry from there on; remembers what was asked."""

    def __init__(self, script):
        self.script, self.requests = script, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(dict(self.headers))
                outer.script[min(len(outer.requests), len(outer.script)) - 1](self)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/model.onnx"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    servers = []

    def start(*script):
        servers.append(Server(list(script)))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def send(content=CONTENT, cut=None, ranges=True, tag=TAG, length=True):
    """Return a well-behaved answer but for what the arguments say: `cut` ends the connection after so many bytes."""

    def answer(request):
        asked = request.headers.get("Range")
        guard = request.headers.get("If-Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and ranges and guard in (None, tag) else 0
        if start >= len(content):
            request.send_response(416)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        body = content[start:]
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if length:
            request.send_header("Content-Length", str(len(body)))
        if tag:
            request.send_header("ETag", tag)
        request.end_headers()
        request.wfile.write(body if cut is None else body[:cut])

    return answer


def fail(status, **headers):
    def answer(request):
        request.send_response(status)
        for name, value in {**headers, "Content-Length": "0"}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()

    return answer


def list_files(folder):
    """Return the names of what is in a folder, but for the store."""
    return sorted(item.name for item in folder.iterdir() if item.name != "attempts")


def find_fault(server, folder):
    """Return the fault of a download without pauses."""
    return fetching.download_model(server.url, SHA256, folder / "model.onnx", pause=lambda seconds: None)


def fetch(server, folder, sha256=SHA256, **options):
    """Download to `folder` and return the pauses that were taken."""
    pauses = []
    assert fetching.download_model(server.url, sha256, folder / "model.onnx", pause=pauses.append, **options) is None
    assert (folder / "model.onnx").read_bytes() == CONTENT
    assert list_files(folder) == ["model.onnx"]
    return pauses


def test_a_whole_file_in_one_go(serve, tmp_path):
    server = serve(send())
    download_model.main(["--url", server.url, "--sha256", SHA256.upper(), "--output", str(tmp_path / "model.onnx")])
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT
    assert list_files(tmp_path) == ["model.onnx"]


def test_a_cut_connection_continues_where_it_broke(serve, tmp_path):
    server = serve(send(cut=1000), send(cut=2000), send())
    assert fetch(server, tmp_path) == [1.0, 1.0]  # progress each time, so the pause does not grow
    assert [item.get("Range") for item in server.requests] == [None, "bytes=1000-", "bytes=3000-"]
    assert [item.get("If-Range") for item in server.requests] == [None, TAG, TAG]


def test_a_later_call_continues_what_an_earlier_one_left(serve, tmp_path):
    with pytest.raises(
        UserError, match="cut after 1000 of 256000 bytes; 1 attempts made no progress; 1000 bytes are kept"
    ):
        fetch(serve(send(cut=1000)), tmp_path, attempts=1)
    server = serve(send())
    fetch(server, tmp_path)
    assert server.requests[0]["Range"] == "bytes=1000-"


def test_a_server_that_ignores_ranges_sends_it_all_again(serve, tmp_path):
    server = serve(send(cut=1000), send(ranges=False))
    fetch(server, tmp_path)
    assert server.requests[1]["Range"] == "bytes=1000-"


def test_a_file_that_changed_meanwhile_starts_anew(serve, tmp_path):
    server = serve(send(b"old" * 1000, cut=1000, tag='"old"'), send())
    fetch(server, tmp_path)
    assert server.requests[1]["If-Range"] == '"old"'


def test_two_versions_pieced_together_are_noticed_and_one_whole_file_fetched(serve, tmp_path):
    server = serve(send(b"old" * 1000, cut=1000, tag=None), send(tag=None))
    fetch(server, tmp_path)
    assert [item.get("Range") for item in server.requests] == [None, "bytes=1000-", None]


def test_a_weak_tag_is_no_validator_but_a_date_is(serve, tmp_path):
    server = serve(send(cut=10, tag='W/"weak"'), send(tag=None))
    fetch(server, tmp_path)
    assert "If-Range" not in server.requests[1]


def test_all_bytes_were_there_already(serve, tmp_path):
    (tmp_path / f".{SHA256}.partial").write_bytes(CONTENT)
    server = serve(send())
    fetch(server, tmp_path)
    assert len(server.requests) == 1


def test_the_partial_file_of_another_model_is_left_alone(serve, tmp_path):
    other = tmp_path / f".{'0' * 64}.partial"
    other.write_bytes(b"other")
    server = serve(send())
    fetching.download_model(server.url, SHA256, tmp_path / "model.onnx")
    assert "Range" not in server.requests[0]
    assert other.read_bytes() == b"other"


def _wrong_range(request):
    request.send_response(206)
    request.send_header("Content-Range", f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}")
    request.send_header("Content-Length", str(len(CONTENT)))
    request.end_headers()


def test_another_range_than_asked_for_is_not_appended(serve, tmp_path):
    server = serve(send(cut=1000), _wrong_range, send())
    fetch(server, tmp_path)
    assert "Range" not in server.requests[2]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_transient_statuses_are_retried_with_growing_pauses(serve, tmp_path, status):
    assert fetch(serve(fail(status), fail(status), fail(status), send()), tmp_path) == [1.0, 2.0, 4.0]


def test_the_server_may_name_the_pause_within_reason(serve, tmp_path):
    script = [fail(503, Retry_After=value) for value in ("7", "99999", "Fri, 31 Dec 1999 23:59:59 GMT")]
    assert fetch(serve(*script, send()), tmp_path) == [7.0, 60.0, 4.0]


def test_patience_ends(serve, tmp_path):
    server = serve(fail(503))
    with pytest.raises(UserError, match="503 Service Unavailable; 5 attempts made no progress"):
        fetch(server, tmp_path)
    assert len(server.requests) == 5


def test_a_server_that_always_cuts_at_the_same_place_is_given_up(serve, tmp_path):
    server = serve(send(cut=1000, ranges=False))
    with pytest.raises(UserError, match="cut after 1000 of"):
        fetch(server, tmp_path)
    assert len(server.requests) == 5


def test_nobody_listens(serve, tmp_path):
    server = serve(send())
    server.close()
    with pytest.raises(UserError, match=r"ConnectionRefusedError: .*; 2 attempts made no progress"):
        fetch(server, tmp_path, attempts=2)


@pytest.mark.parametrize("status", [401, 403, 501])
def test_final_statuses_are_one_line_at_once(serve, tmp_path, capsys, status):
    server = serve(fail(status))
    arguments = ["--url", server.url, "--sha256", SHA256, "--output", str(tmp_path / "model.onnx")]
    assert run(download_model.main, arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {server.url}: the server answers {status} ")
    assert error.count("\n") == 1
    assert len(server.requests) == 1
    assert not (tmp_path / "model.onnx").exists()
    [attempt] = list_attempts(tmp_path)
    assert str(status) in json.loads((attempt.folder / "failure.json").read_text())["message"]


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_not_there_is_a_fault_of_the_input(serve, tmp_path, capsys, status):
    """The job ends well, a note takes the place of the model, and the attempt says why."""
    server = serve(fail(status))
    output = tmp_path / "model.onnx"
    assert run(download_model.main, ["--url", server.url, "--sha256", SHA256, "--output", str(output)]) == 0
    error = capsys.readouterr().err
    assert error.startswith(f"no model: {server.url}: the server answers {status} ") and error.count("\n") == 1
    assert f"remove {output} to ask again" in error
    assert read_note(output).kind == "not_found"
    [attempt] = list_attempts(tmp_path)
    assert not attempt.complete
    assert json.loads((attempt.folder / "failure.json").read_text())["kind"] == "not_found"
    assert len(server.requests) == 1


def test_a_wrong_digest_names_both_and_keeps_nothing(serve, tmp_path):
    server = serve(send(b"something else"))
    actual = hashlib.sha256(b"something else").hexdigest()
    fault = find_fault(server, tmp_path)
    assert fault.kind == "wrong_digest" and f"sha256 is {actual}, but {SHA256} is expected" in str(fault)
    assert len(server.requests) == 1
    assert str(read_note(tmp_path / "model.onnx")) == str(fault)
    assert not list(tmp_path.glob(".*partial"))


def test_a_wrong_digest_after_a_cut_ends_too(serve, tmp_path):
    server = serve(send(b"x" * 5000, cut=1000), send(b"x" * 5000), send(b"x" * 5000, cut=1000), send(b"x" * 5000))
    assert f"but {SHA256} is expected" in str(find_fault(server, tmp_path))
    assert len(server.requests) == 4


def test_what_was_downloaded_is_kept_and_not_fetched_again(serve, tmp_path):
    server, output = serve(send(), fail(500)), tmp_path / "model.onnx"
    fetch(server, tmp_path)
    output.unlink()  # as Snakemake does before a job runs again
    fetch(server, tmp_path)
    assert output.read_bytes() == CONTENT and len(server.requests) == 1
    write_note(output, InputFault("not_found", "gone"))
    fetch(server, tmp_path)
    assert output.read_bytes() == CONTENT and len(server.requests) == 1
    assert len(list_attempts(tmp_path)) == 1


def test_a_kept_download_that_was_changed_is_fetched_again(serve, tmp_path, capsys):
    server = serve(send())
    fetch(server, tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"edited in place, and so in the store")
    fetch(server, tmp_path)
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT and len(server.requests) == 2
    assert "0001-" in capsys.readouterr().err


@pytest.mark.parametrize("length", [True, False])
def test_more_than_the_limit_is_refused(serve, tmp_path, length):
    server = serve(send(length=length))
    arguments = ["--url", server.url, "--sha256", SHA256, "--output", str(tmp_path / "m"), "--size-limit-bytes", "1000"]
    assert run(download_model.main, arguments) == 0
    assert "larger than the limit of 1000 bytes" in str(read_note(tmp_path / "m"))
    assert not list(tmp_path.glob(".*partial"))


def test_redirects_are_followed_with_the_range(serve, tmp_path):
    target = serve(send(cut=1000), send())
    server = serve(fail(302, Location=target.url))
    fetch(server, tmp_path)
    assert target.requests[1]["Range"] == "bytes=1000-"


@pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x"])
def test_redirects_out_of_http_are_refused(serve, tmp_path, location):
    server = serve(fail(302, Location=location))
    with pytest.raises(UserError):
        fetch(server, tmp_path)
    assert len(server.requests) == 1


def test_redirects_in_a_circle_end(serve, tmp_path):
    server = serve(fail(302, Location="/model.onnx"))
    with pytest.raises(UserError, match="302"):
        fetch(server, tmp_path)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("file:///tmp/model.onnx", "scheme 'file'; only http and https are downloaded"),
        ("ftp://127.0.0.1/model.onnx", "scheme 'ftp'"),
        ("model.onnx", "scheme ''"),
        ("http:///model.onnx", "no host"),
        ("http://me:secret@127.0.0.1/model.onnx", "URL of host 127.0.0.1: a URL with credentials"),
        ("http://127.0.0.1:door/model.onnx", "Port"),
        ("http://127.0.0.1/a model.onnx", "percent-encode"),
        ("http://127.0.0.1/modèle.onnx", "percent-encode"),
        ("http://[::1/model.onnx", "Invalid IPv6"),
    ],
)
def test_addresses_that_are_not_fetched(tmp_path, url, message):
    with pytest.raises(UserError, match=message) as caught:
        fetching.download_model(url, SHA256, tmp_path / "model.onnx", pause=lambda _: pytest.fail("retried"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("sha256", ["", "abc", "../" * 21 + "x", SHA256 + "0"])
def test_a_digest_that_is_none_is_refused_before_it_names_a_file(tmp_path, sha256):
    with pytest.raises(UserError, match="64 hexadecimal digits"):
        fetching.download_model("http://127.0.0.1:9/m", sha256, tmp_path / "folder" / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("bytes 5-9/10", 10),
        ("bytes 5-9/*", 10),
        ("bytes 4-9/10", None),
        ("bytes 5-10/10", None),
        ("bytes */10", None),
        ("items 5-9/10", None),
        ("", None),
        (None, None),
    ],
)
def test_content_ranges(text, size):
    assert fetching._read_content_range(text, 5) == size
