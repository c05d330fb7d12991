"""A board of files and stand-ins, whole: from its device file to a verified result with energy, and its page.

Its power monitor says 9 W while a process of the agent is timed and 4.4 W else; its tegrastats replays published lines.
So the energy that a run must find is known: nine watts for as long as its processes were timed.
"""

import contextlib
import json
import re
import sys
import threading
from pathlib import Path

import pytest
import yaml
from edgeproof.core.errors import UserError
from edgeproof.runs.results import read_result

from ..unit.agent.stand_in_boards import tegrastats_command, write_ina3221, write_proc, write_vcgencmd
from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.campaign
IDLE_W, LOAD_W = 4.4, 9.0
CAMPAIGN = {
    "campaign": "boards",
    "protocol": "brief",
    "policy": "strict",
    "devices": ["orin", "pi"],
    "matrices": [{"models": ["digits-cnn"], "presets": ["ort-cpu"], "precisions": ["fp32"]}],
    "gate": {"tolerate": ["throttled"]},
}
PROTOCOL = {
    "description": "three short processes",
    "processes": 3,
    "warmup_runs": 3,
    "warmup_seconds": 0.3,
    "min_samples": 50,
    "min_seconds": 0.6,
    "max_timer_share": 0.05,
    "pairs": 4,
}


class LivingBoard:
    """Changes the current of a stand-in's rail with what runs, and the Pi's throttling once something has run."""

    def __init__(self, workspace, root, vcgencmd):
        self.workspace = workspace
        self.current, self.vcgencmd = root / "sys/class/hwmon/hwmon0/curr1_input", vcgencmd
        self.over, self.seen = threading.Event(), 0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.over.wait(0.005):
            busy = any(b"edgeproof.agent\0measure" in line for line in self.read_commands())
            beside = self.current.with_name(".current")
            beside.write_text("1800\n" if busy else "0880\n")
            beside.replace(self.current)  # a file that is being written is empty for a moment
            if busy and not self.seen:
                write_vcgencmd(self.vcgencmd, throttled="0x20002")
            self.seen += busy

    def read_commands(self):
        """Yield the commands that run in the workspace; others may measure on this machine, too."""
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes()
                if b"edgeproof.agent" in command and (folder / "cwd").resolve() == self.workspace.resolve():
                    yield command

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """The whole campaign on both boards, measured."""
    folder = tmp_path_factory.mktemp("boards")
    workspace, board = copy_repository(folder / "edgeproof"), folder / "board"
    write_ina3221(board, {"VDD_IN": (5000, 880), "VDD_CPU_GPU_CV": (5000, 104)})
    write_proc(board)
    pi = write_vcgencmd(folder, throttled="0x0")
    common = {"transport": "local", "lock": "device.lock", "idle_seconds": 0.7}
    orin = {
        "description": "A board of files",
        "board": "Orin Nano stand-in",
        **common,
        "samplers": [
            {"name": "hwmon", "required": True, "root": str(board), "interval_ms": 5},
            {"name": "tegrastats", "command": tegrastats_command("orin-nx-16gb-lama.log"), "interval_ms": 20},
            {"name": "procfs", "interval_ms": 20},
            {"name": "procfs", "root": str(board), "interval_ms": 20},
            {"name": "rapl", "root": str(board)},
        ],
    }
    samplers = [{"name": "vcgencmd", "command": pi, "interval_ms": 30}]
    pi = {"description": "A Pi of scripts", "board": "Pi stand-in", **common, "samplers": samplers}
    for name, document in (("devices/orin", orin), ("devices/pi", pi), ("protocols/brief", PROTOCOL)):
        workspace.write(f"config/{name}.yaml", yaml.safe_dump(document))
    workspace.write("config/boards.yaml", yaml.safe_dump(CAMPAIGN))
    with LivingBoard(workspace.root, board, folder):
        done = workspace.snakemake("--replace-workflow-config", config="config/boards.yaml")
    assert done.returncode == 0, done.stdout
    return workspace


@pytest.fixture
def results(workspace, monkeypatch):
    """{device: result}, each recomputed from its raw data."""
    monkeypatch.chdir(workspace.root)
    return {name: read_result(f"results/runs/digits-cnn/ort-cpu/{name}/fp32/result.json") for name in ("orin", "pi")}


def test_the_run_has_the_energy_that_the_board_used(results):
    result = results["orin"]
    power, energy = result["power"], result["energy"]
    assert result["status"] == "ok" and (power["sampler"], power["boundary"]) == ("hwmon", "module")
    assert power["mean_w"] == pytest.approx(LOAD_W, rel=0.02) and power["idle_w"] == pytest.approx(IDLE_W, rel=0.02)
    windows = result["sessions"][0]["telemetry"]["windows"]
    known = [LOAD_W * (w["stop_ns"] - w["start_ns"]) / 1e9 / w["inferences"] for w in windows]
    for process, joules in zip(result["processes"], known, strict=True):
        assert abs(process["power"]["energy_j"] - joules) <= joules * process["power"]["budget"]["total"] + 1e-9
    assert energy["net_j"] == pytest.approx(energy["value_j"] * (LOAD_W - IDLE_W) / LOAD_W, rel=0.05)
    assert result["temperature"]["peak_c"] > 50 and 1e6 < result["memory"]["mean_bytes"] < 1e10


def test_every_sampler_is_in_the_record_and_one_that_is_not_there_is_named(results):
    result = results["orin"]
    samplers = {sampler["id"]: sampler for sampler in result["sessions"][0]["telemetry"]["samplers"]}
    assert list(samplers) == ["hwmon", "tegrastats", "procfs", "procfs-2", "rapl"]
    assert samplers["tegrastats"]["power"]["rails"] == ["VDD_IN"] and samplers["tegrastats"]["samples"]["total_w"] > 20
    assert [entry["label"] for entry in result["labels"]].count("sampler") == 1
    assert "no energy counter" in samplers["rapl"]["reason"]


def test_a_board_that_throttles_says_so_and_has_no_power(results):
    result = results["pi"]
    assert result["status"] == "throttled" and "vcgencmd throttled:" in result["reason"]["message"]
    assert result["energy"]["value_j"] is None and "vcgencmd: " in result["energy"]["reason"]


def test_the_page_draws_power_under_the_latency(workspace, results):
    page = (workspace.root / "results/evidence/boards/report.html").read_text()
    assert page.index('<section id="latency">') < page.index('<section id="power">')
    assert "Power, module" in page and "Memory, process" in page
    assert re.search(r"Throttled, vcgencmd (now|new)", page)  # `new` only if it began after the first sample
    assert re.search(r"Power of the module \(VDD_IN\), by hwmon: [89]\.", page)


def test_nothing_is_measured_again_and_changed_telemetry_is_found(workspace, results):
    before = workspace.list_attempts()
    done = workspace.snakemake("--replace-workflow-config", "--forcerun", "measure_run", config="config/boards.yaml")
    assert done.returncode == 0 and workspace.list_attempts() == before, done.stdout
    path = next(
        workspace.root.glob("results/runs/digits-cnn/ort-cpu/orin/fp32/attempts/*/session/telemetry/telemetry.csv")
    )
    whole = path.read_text()
    path.write_text(whole.replace("hwmon,total_w,9", "hwmon,total_w,8", 1))
    found = json.loads(workspace.edgeproof("evidence", "validate", "boards", "--json").stdout)
    assert "telemetry.csv" in json.dumps(found)
    with pytest.raises(UserError, match="was changed since it was measured"):
        read_result(workspace.root / "results/runs/digits-cnn/ort-cpu/orin/fp32/result.json")
    path.write_text(whole)


def test_a_required_sampler_that_is_missing_leaves_no_result(workspace):
    root = workspace.root
    device = yaml.safe_load((root / "config/devices/orin.yaml").read_text())
    device["samplers"] = [{"name": "rapl", "required": True, "root": str(root / "nothing")}]
    (root / "config/devices/bare.yaml").write_text(yaml.safe_dump(device))
    campaign = {**CAMPAIGN, "campaign": "bare", "devices": ["bare"]}
    workspace.write("config/bare.yaml", yaml.safe_dump(campaign))
    done = workspace.snakemake("--replace-workflow-config", "runs", config="config/bare.yaml")
    assert done.returncode != 0 and "no verdict (sampler): rapl: no energy counter" in done.stdout
    assert not (root / "results/runs/digits-cnn/ort-cpu/bare/fp32/result.json").exists()


def test_a_command_of_ones_own_is_sampled(workspace):
    command = ("--", sys.executable, "-c", "import time; time.sleep(0.5)")
    done = workspace.edgeproof("runs", "sample", "--device", "orin", "--json", *command)
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["exit_code"] == 0 and found["power"]["mean_w"] == pytest.approx(IDLE_W, rel=0.01)
    assert found["energy"]["value_j"] == pytest.approx(IDLE_W * found["seconds"], rel=0.02)
