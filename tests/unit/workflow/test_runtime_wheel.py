"""The wheel for boards: what is in it, and that another Python can import all of it."""

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import uv
from edgeproof.core.layout import REPOSITORY
from edgeproof.runs.observed_runs import import_recording, latencies_ms, read_observed
from edgeproof.workflow.runtime_wheel import pack_runtime

LIBRARY = REPOSITORY / "scripts/edgeproof"


def test_the_wheel_holds_agent_and_runtime_and_the_same_code_gives_the_same_bytes(tmp_path):
    wheel, again = pack_runtime(tmp_path / "one"), pack_runtime(tmp_path / "two")
    assert wheel.name == again.name and wheel.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix("edgeproof_runtime/") for name in archive.namelist() if name.endswith(".py")}
        code = {name: archive.read(f"edgeproof_runtime/{name}") for name in packed}
    files = [path for room in ("agent", "runtime") for path in (LIBRARY / room).rglob("*.py")]
    assert code == {"__init__.py": b""} | {str(path.relative_to(LIBRARY)): path.read_bytes() for path in files}


def test_the_wheel_has_the_version_of_the_project():
    versions = [
        tomllib.loads((REPOSITORY / name).read_text())["project"]["version"]
        for name in ("pyproject.toml", "envs/runtime/pyproject.toml")
    ]
    assert versions[0] == versions[1]


# A camera that delivers a frame every 2 ms, and now and then two slow frames in a row. Each frame is timed twice by the
# script itself: `inner` lies inside what the observer calls its time, `outer` around it.
CAMERA = """
import json, sys, time
from edgeproof_runtime.runtime.observer import Observer

DEADLINE_NS, own = 3_000_000, []

def spin(ns):
    end = time.perf_counter_ns() + ns
    while time.perf_counter_ns() < end:
        pass

def camera():
    for number in range(120):
        spin(200_000)
        own.append({"arrived": time.perf_counter_ns()})
        yield number

with Observer(sys.argv[1], deadline_ms=3.0, label="camera") as observed:
    for number in observed.each(camera()):
        frame = own[-1]
        begin = time.perf_counter_ns()
        with observed.stage("pre-processing"):
            spin(100_000)
        with observed.stage("inference"):
            spin(5_000_000 if number % 20 in (7, 8) else 500_000)
        frame["inner"] = time.perf_counter_ns() - begin
        if number:
            own[-2]["outer"] = frame["arrived"] - own[-2]["arrived"]  # until the next frame was asked for, and more
own[-1]["outer"] = time.perf_counter_ns() - own[-1]["arrived"]
assert "numpy" not in sys.modules
print(json.dumps({"file": observed.path, "own": own}))
"""


def test_a_loop_in_an_environment_of_its_own_is_observed_as_its_script_saw_it(tmp_path):
    python = make_environment(tmp_path / "fresh", pack_runtime(tmp_path))
    command = [python, "-c", CAMERA, tmp_path / "camera.observed"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    document = import_recording(Path(told["file"]), "camera", tmp_path, None, None)
    _, recording = read_observed(tmp_path / "results/observed/camera/observed.json")
    missed = latencies_ms(recording) > 3.0
    own = told["own"]
    assert len(missed) == len(own) == document["calls"]["recorded"] == 120
    surely = [frame["inner"] > 3_000_000 for frame in own]
    perhaps = [frame["outer"] > 3_000_000 for frame in own]
    assert [bool(each) for each in missed | surely] == [bool(each) for each in missed]
    assert [bool(each) for each in missed & perhaps] == [bool(each) for each in missed]
    assert document["deadline"]["missed"] == int(missed.sum()) >= 12 and document["deadline"]["bursts"] >= 6
    assert [stage["name"] for stage in document["stages"]] == ["input", "pre-processing", "inference", "rest"]
    assert document["calls"]["lost"] == 0 and document["cost_ns"]["stage"] > 0


def test_an_environment_with_nothing_else_runs_the_agent_of_the_wheel(tmp_path):
    wheel = pack_runtime(tmp_path)
    python = make_environment(tmp_path / "fresh", wheel)
    ended = subprocess.run([python, "-m", "edgeproof_runtime.agent"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and ended.stderr.startswith("usage: python -m edgeproof.agent session")


def make_environment(folder, wheel):
    """Make an environment of our Python with the wheel and nothing else, and return its interpreter."""
    run = [uv.find_uv_bin(), "-q"]
    subprocess.run([*run, "venv", "--offline", "--no-project", "--python", sys.executable, folder], check=True)
    python = folder / "bin/python"
    install = [*run, "pip", "install", "--offline", "--no-deps", "--python", python, wheel]
    subprocess.run(install, check=True)
    return python
