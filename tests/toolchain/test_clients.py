"""Clients that others have written, against both drivers: Triton's own, and a fuzzer of the API's description."""

import subprocess
import sys

import pytest
from edgeproof.adaptation.asgi_service import HostServer
from edgeproof.bench.trial_family import write_family
from edgeproof.core.layout import REPOSITORY
from edgeproof.runtime.admission import ServiceLimits
from edgeproof.runtime.engine import Engine
from edgeproof.runtime.h11_server import H11Server
from edgeproof.runtime.http_service import Service
from edgeproof.runtime.selection import MaximizeAccuracy

from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.toolchain


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The folder with the programs of the environment `clients`, made from its lock."""
    root = copy_repository(tmp_path_factory.mktemp("clients") / "edgeproof").root
    make = ["--toolchain", "clients", "--lock", "envs/clients.lock", "--output", "results/toolchains/clients.json"]
    subprocess.run([sys.executable, "scripts/make_toolchain.py", *make], cwd=root, check=True)
    return root / ".toolchains/clients/bin"


@pytest.fixture(scope="module", params=[H11Server, HostServer], ids=["h11", "uvicorn"])
def address(request, tmp_path_factory):
    """A server of the sums, as `host:port`."""
    engine = Engine(write_family(tmp_path_factory.mktemp("models")), MaximizeAccuracy())
    server = request.param(Service(engine, "sums", ServiceLimits()))
    server.start()
    yield "{}:{}".format(*server.address)
    assert server.stop()
    engine.close()


def test_tritons_client_gets_what_it_asks_for(programs, address):
    script = REPOSITORY / "tests/toolchain/triton_session.py"
    said = subprocess.run([programs / "python", script, address], capture_output=True, text=True, check=True).stdout
    assert said == "all asked\n"


def test_a_fuzzer_finds_no_answer_that_the_description_does_not_have(programs, address):
    """But for one: a request of the right form may have other inputs than the model, and is refused."""
    checks = ["--checks", "all", "--exclude-checks", "positive_data_acceptance"]
    command = [programs / "st", "run", f"http://{address}/openapi.json", *checks, "-n", "60", "--no-color"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:]
