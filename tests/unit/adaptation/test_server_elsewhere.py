"""A server that runs already is measured from the outside: the document, the token, and what is refused."""

import pytest
from edgeproof.__main__ import main
from edgeproof.adaptation.server_elsewhere import measure_server
from edgeproof.adaptation.service_figures import ServiceSetting
from edgeproof.adaptation.service_records import read_service
from edgeproof.bench.trial_family import write_family
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.program_start import run
from edgeproof.runtime.admission import ServiceLimits
from edgeproof.runtime.engine import Engine
from edgeproof.runtime.h11_server import H11Server
from edgeproof.runtime.http_service import Service
from edgeproof.runtime.selection import MaximizeAccuracy

from .test_service_measurement import write_family_file

TOKEN = "a token of this test"


@pytest.fixture
def url(tmp_path):
    """Where a server runs that asks for a token."""
    engine = Engine(write_family(tmp_path), MaximizeAccuracy())
    server = H11Server(Service(engine, "sums", ServiceLimits(), TOKEN))
    server.start()
    yield f"http://127.0.0.1:{server.address[1]}"
    server.stop()
    engine.close()


def test_a_running_server_is_measured(tmp_path, url, capsys):
    (tmp_path / "token").write_text(TOKEN)
    words = [url, "--config", write_family_file(tmp_path), "--device", "desk", "--token-file", tmp_path / "token"]
    words += ["--output", tmp_path / "out", "--budget-ms", 5000, "--seconds", 0.1, "--stretches", 2, "--steps", 2]
    code = run(lambda argv: main(argv, REPOSITORY), ["adaptation", "measure-server", *map(str, words)])
    assert code == ExitCode.GOOD and "requests a second" in capsys.readouterr().out
    document = read_service(tmp_path / "out/service.json")
    assert (document["family"], document["device"], document["boundary"]) == ("sums", "desk", "transport")
    assert document["cold"] == {"starts": 0, "ready_s": [], "first_answer_ms": []}
    low, high = document["clocks"]["server"]["ahead_s"]
    assert low <= 0 <= high  # it is the same clock
    assert document["single_stream"]["failed"] == 0 and document["closed"]["server"] is None


def test_a_server_that_refuses_the_request_measures_nothing(tmp_path, url):
    with pytest.raises(UserError, match="answers 401"):
        measure_server(url, write_family_file(tmp_path), "desk", ServiceSetting(starts=0), tmp_path / "out", None)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://board:8000", "is not http://HOST:PORT"),
        ("http://board:8000/v2", "is not http://HOST:PORT"),
        ("http://board:what", "is not http://HOST:PORT"),
        ("http://127.0.0.1:9", "does not answer"),
    ],
)
def test_what_is_no_server_is_said_in_a_line(tmp_path, url, said):
    with pytest.raises(UserError, match=said):
        measure_server(url, write_family_file(tmp_path), "desk", ServiceSetting(starts=0), tmp_path / "out", None)


def test_the_token_file_must_be_there(tmp_path, capsys):
    words = ["http://127.0.0.1:9", "--config", "f", "--device", "d", "--output", "o", "--token-file", tmp_path / "none"]
    code = run(lambda argv: main(argv, REPOSITORY), ["adaptation", "measure-server", *map(str, words)])
    assert code == ExitCode.MISTAKE and "--token-file" in capsys.readouterr().err
