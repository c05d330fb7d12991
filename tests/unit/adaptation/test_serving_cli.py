"""`edgeproof serve` and the board's server as processes: they say where they are, answer, and end well."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from edgeproof.adaptation.server_link import Link
from edgeproof.adaptation.service_load import compose_request
from edgeproof.adaptation.serving_cli import main
from edgeproof.bench.trial_family import WIDTH, write_family
from edgeproof.core.errors import UserError
from edgeproof.core.processes import child_environment

BODY = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, WIDTH], "data": [3.0] * WIDTH}]}).encode()
HOST = ["edgeproof.adaptation.serving_cli", "--json"]
BOARD = ["edgeproof.runtime.board_server"]


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    folder = tmp_path_factory.mktemp("family")
    variants = {name: {"path": f"{name}.onnx", "tier": "high"} for name in write_family(folder).variants}
    (folder / "family.yaml").write_text(json.dumps({"family": "sums", "variants": variants}))
    return str(folder / "family.yaml")


@pytest.mark.parametrize("program", [HOST, [*HOST, "--driver", "h11"], BOARD], ids=["uvicorn", "h11", "board"])
def test_a_server_says_where_it_is_answers_and_ends_well(family, tmp_path, program):
    (tmp_path / "token").write_text("secret\n")
    options = ["--port", "0", "--fixed", "--variant", "tiny", "--token-file", str(tmp_path / "token")]
    command = [sys.executable, "-m", *program, family, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=child_environment(sys.executable))
    line = process.stdout.readline()
    url = json.loads(line)["url"] if program[0] == HOST[0] else line.split()[-1]
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    link = Link(address)
    assert link.ask(compose_request(address, "/v2/models/sums/infer", BODY)) == 401
    assert link.ask(compose_request(address, "/v2/models/sums/versions/tiny/infer", BODY, "secret")) == 200
    link.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    process.stdout.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--variant", "huge"], "'huge' is not in family 'sums'"),
        (["--policy", "balanced"], "--policy balanced needs --latency-ceiling-ms"),
        (["--workers", "0"], "--workers is 0; it must be positive"),
        (["--reserve-mb", "0"], "ram_reserve_mb"),
        (["--token-file", os.devnull], "the token is empty"),
        (["--samples", "/no/such/file.npz"], "No such file"),
        (["--policy", "fastest"], "is not one of"),
    ],
)
def test_a_mistake_is_one_line(family, options, message):
    with pytest.raises(UserError, match=message):
        main([family, *options])


def test_a_port_that_is_taken_is_said(family):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="take another"):
        main([family, "--driver", "h11", "--port", str(taken.getsockname()[1])])
