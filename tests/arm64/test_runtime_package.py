"""The wheel for boards serves and swaps under load: on emulated arm64, and on the oldest Pythons that are to be had."""

import json
import os
import shutil
import subprocess
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
import uv
from edgeproof.bench.trial_family import SUMS, WIDTH, find_variant, write_family
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.processes import child_environment
from edgeproof.workflow.runtime_wheel import pack_runtime

from .conftest import python_of
from .exchange import ask

pytestmark = pytest.mark.arm64
SWAPS = ("quantized", "tiny", "full", "tiny")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The folder of the wheel's packages, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(pack_runtime(folder)) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def python38(tmp_path_factory):
    """A Python 3.8 of this machine with what JetPack 5 is given; skipped where the machine has none."""
    known = [shutil.which("python3.8"), *Path.home().glob(".pyenv/versions/3.8.*/bin/python3.8")]
    found = [path for path in known if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0]
    if not found:
        pytest.skip("this machine has no Python 3.8")
    site = tmp_path_factory.mktemp("python38")
    install = [uv.find_uv_bin(), "pip", "install", "-q", "--target", site, "--python", found[0], "--require-hashes"]
    subprocess.run([*install, "-r", REPOSITORY / "envs/board-py38.lock"], check=True)
    return found[0], site


def serve(python, path, folder, isolation):
    """Start the server and return (process, what it said first)."""
    environment = child_environment(python) | {"PYTHONPATH": os.pathsep.join(map(str, path))}
    command = [python, REPOSITORY / "tests/arm64/swapping_server.py", folder, isolation]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line, f"ended with {process.wait()}"
    return process, json.loads(line)


def swap_under_load(process, port):
    """Swap through all variants while two clients ask; return every (variant named, variant whose sum it is)."""
    answers, ended = [], threading.Event()

    def inquire(random):
        x = float(random.integers(1, 100))
        answer = ask(port, "sums", [x] * WIDTH)
        answers.append((answer["parameters"]["variant"], find_variant(x, answer["outputs"][0]["data"])))

    def work(seed):
        random = np.random.default_rng(seed)
        while not ended.is_set():
            inquire(random)

    clients = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for client in clients:
        client.start()
    try:
        for name in SWAPS:
            print(name, file=process.stdin, flush=True)
            assert json.loads(process.stdout.readline()) == {"active": name, "reason": f"SWAP_COMMITTED:{name}"}
            inquire(np.random.default_rng(2))  # the clients may all have waited meanwhile
    finally:
        ended.set()
        for client in clients:
            client.join()
    process.stdin.close()
    assert process.wait(600) == 0
    return answers


def check(python, path, folder, isolation, version, emulated):
    """Serve, swap under load, and hold every answer against the variant that it names."""
    write_family(folder)
    process, first = serve(python, path, folder, isolation)
    with process:
        answers = swap_under_load(process, first["port"])
    assert (first["python"], first["emulator"] is not None) == (version, emulated)
    assert [named for named, made in answers] == [made for named, made in answers]
    assert {named for named, _ in answers} == set(SWAPS) and set(SWAPS) < set(SUMS)


@pytest.mark.parametrize(("release", "version"), [("bookworm", [3, 11]), ("bullseye", [3, 9])])
def test_it_serves_and_swaps_on_emulated_arm64(tmp_path, wheel, release, version):
    """In one process: qemu 7.2 has been seen to corrupt the heap of a program whose threads start processes."""
    check(python_of(release), [wheel], tmp_path, "none", version, True)


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_it_serves_and_swaps_on_python_3_8(tmp_path, wheel, python38, isolation):
    python, site = python38
    check(python, [wheel, site], tmp_path, isolation, [3, 8], False)
