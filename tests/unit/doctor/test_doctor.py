"""The doctor on made-up boards: what it finds, what it calls bad, and what it tells the user to do."""

import json
import os
import shlex
import sys
from pathlib import Path

import pytest
from edgeproof.agent.lock import hold_device
from edgeproof.agent.machine import describe_machine
from edgeproof.bench import made_up_pairs
from edgeproof.bench.made_up_campaigns import write_calibration
from edgeproof.core.layout import REPOSITORY
from edgeproof.doctor import power_findings
from edgeproof.doctor.device_list import choose_device, list_devices, render_devices
from edgeproof.doctor.diagnosis import diagnose, render_diagnosis
from edgeproof.doctor.findings import Place
from edgeproof.doctor.machine_findings import inspect_machine
from edgeproof.doctor.power_findings import inspect_power_control
from edgeproof.doctor.runtime_findings import inspect_runtimes
from edgeproof.doctor.sampler_findings import inspect_samplers
from edgeproof.doctor.sensitivity import describe_best, read_sensitivity

JETSON = {
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    "proc/device-tree/serial-number": "1424922014000\0",
    "proc/stat": "cpu  100 0 100 700 0 0 0 100\n",
    "proc/loadavg": "2.50 1.00 0.50 1/200 1234\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
    "sys/class/hwmon/hwmon1/name": "ina3221\n",
    "sys/class/hwmon/hwmon1/in1_input": "4960\n",
    "sys/class/hwmon/hwmon1/curr1_input": "912\n",
    "sys/class/hwmon/hwmon2/name": "pwmfan\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "45000\n",
}
PI = {
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "etc/machine-id": "0123456789abcdef\n",
}


def make_place(folder, files, **tools):
    """Return the place of a made-up board: files below its root, and programs that print a text."""
    for name, text in files.items():
        path = folder / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "bin").mkdir()
    for name, body in tools.items():
        write_program(folder / "bin" / name, body)
    return Place(folder / "root", str(folder / "bin"), "aarch64", "Linux")


def write_program(path, body):
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def states(findings):
    return {finding.name: finding.state for finding in findings}


def device(**keys):
    return {"name": "board", "board": "a board", "transport": "local", **keys}


def test_a_jetson_is_seen_with_its_tools(tmp_path):
    place = make_place(tmp_path, JETSON, tegrastats="", nvpmodel="", jetson_clocks="")
    wanted = device(board_contains="jetson", lock=str(tmp_path / "lock"))
    found = states(inspect_machine(wanted, place, tmp_path))
    assert found["board"] == found["identity"] == found["lock"] == "good"
    assert found["CPU clock"] == found["load"] == found["steal"] == "absent"  # each widens intervals, none prevents
    assert states(inspect_power_control(place)) == {"nvpmodel": "good", "jetson_clocks": "good", "governors": "good"}


def test_samplers_are_run_for_a_moment_as_a_session_would(tmp_path):
    root = str(make_place(tmp_path, JETSON | {"sys/class/hwmon/hwmon1/in1_label": "VDD_IN\n"}).root)
    others = [{"name": name, "root": root} for name in ("hwmon", "rapl", "procfs")]
    others.append({"name": "tegrastats", "command": [str(tmp_path / "none")]})
    wanted = device(samplers=[{"name": "hwmon", "root": root, "interval_ms": 5}])
    found = {finding.name: finding for finding in inspect_samplers(wanted, others)}
    assert list(found) == ["hwmon, configured", "rapl", "procfs", "tegrastats"]
    assert found["hwmon, configured"].text == "power of the module (measured: VDD_IN), every 5 ms"
    assert found["procfs"].state == "good" and "temperature c" in found["procfs"].text
    assert found["rapl"].state == found["tegrastats"].state == "absent"


def test_a_configured_sampler_that_cannot_run_is_bad_and_says_what_helps(tmp_path):
    missing = device(samplers=[{"name": "vcgencmd", "command": ["no-vcgencmd"], "required": True}])
    (found,) = inspect_samplers(missing, [])
    assert found.state == "bad" and found.remedy == "sudo apt install raspi-utils"
    (found,) = inspect_samplers(device(interpreter="/no/python"), [])
    assert found.state == "unknown" and "/no/python" in found.text


def test_governors_that_only_root_may_set_have_the_command_that_opens_them(tmp_path, monkeypatch):
    place = make_place(tmp_path, JETSON)
    monkeypatch.setattr(power_findings, "may_write", lambda path: False)
    governors = {finding.name: finding for finding in inspect_power_control(place)}["governors"]
    assert governors.state == "absent" and governors.remedy.startswith("sudo chmod a+w /sys/")


def test_another_board_a_missing_identity_and_a_busy_device_are_said(tmp_path):
    place = make_place(tmp_path, {"proc/device-tree/model": "Raspberry Pi 4"})
    lock = tmp_path / "lock"
    with hold_device(lock, "somebody's measurement"):
        wanted = device(board_contains="jetson", lock=str(lock))
        found = {finding.name: finding for finding in inspect_machine(wanted, place, tmp_path)}
    assert found["board"].state == "bad" and "'jetson'" in found["board"].text
    assert found["identity"].state == "bad" and found["identity"].remedy == "sudo systemd-machine-id-setup"
    assert found["lock"].state == "absent" and "somebody's measurement" in found["lock"].text
    free = {finding.name: finding for finding in inspect_machine(wanted, place, tmp_path)}
    assert free["lock"].state == "good"


def test_a_file_from_the_future_means_that_the_clock_is_wrong(tmp_path):
    place = make_place(tmp_path, PI)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("")
    day = {finding.name: finding for finding in inspect_machine(device(), place, tmp_path)}["time of day"]
    assert day.state == "good"
    os.utime(tmp_path / "config/config.yaml", (4e9, 4e9))
    day = {finding.name: finding for finding in inspect_machine(device(), place, tmp_path)}["time of day"]
    assert day.state == "bad" and day.remedy.startswith("sudo date -s")


def test_our_own_python_has_onnx_runtime_and_what_is_missing_has_a_command(tmp_path):
    presets = {"ort": {"backend": "onnxruntime"}, "tflite": {"backend": "litert", "runtime_toolchain": "litert"}}
    found = {finding.name: finding for finding in inspect_runtimes(device(), presets, tmp_path)}
    assert found["interpreter"].state == found["onnxruntime"].state == "good"
    assert "CPUExecutionProvider, which a run has to prove" in found["onnxruntime"].text
    assert found["litert"].remedy == "snakemake --profile local results/toolchains/litert.json"
    assert found["rknn"].remedy == f"{shlex.quote(sys.executable)} -m pip install rknn-toolkit-lite2"
    assert "any of them" not in found


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("""echo '{"version": [3, 6, 9], "has": ["numpy"]}'""", "the agent needs 3.8 or newer"),
        ("""echo '{"version": [3, 8, 10], "has": []}'""", "without numpy"),
        ("echo 'bad ELF' >&2; exit 1", "bad ELF"),
    ],
)
def test_an_interpreter_that_cannot_run_the_agent_is_bad(tmp_path, body, text):
    python = write_program(tmp_path / "python", body)
    first, *rest = inspect_runtimes(device(interpreter=python), {}, tmp_path)
    assert first.state == "bad" and text in first.text and first.remedy
    assert rest[-1].name == "any of them" and rest[-1].state == "bad"
    lost = next(inspect_runtimes(device(interpreter=str(tmp_path / "none")), {}, tmp_path))
    assert lost.state == "bad" and "cannot be started" in lost.text


def test_a_wheel_for_another_cpu_is_named_by_its_signal(tmp_path):
    """As a wheel does on a Raspberry Pi 4 that wants atomics of a newer Arm."""
    ours = f'exec "{sys.executable}" "$@"'
    body = f"""case "$2" in *find_spec*) {ours} ;; *onnxruntime*) kill -ILL $$ ;; *) exit 1 ;; esac"""
    python = write_program(tmp_path / "python", body)
    found = {item.name: item for item in inspect_runtimes(device(interpreter=python), {}, tmp_path)}
    assert found["onnxruntime"].state == "bad"
    assert "SIGILL: this CPU lacks instructions that the wheel was built for" in found["onnxruntime"].text


def test_differences_come_from_calibrations_of_this_machine_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(made_up_pairs, "MACHINE", describe_machine())
    write_calibration("desk", spread=0.01, pairs=20)
    monkeypatch.setattr(made_up_pairs, "MACHINE", {"id": "e" * 16, "board": "another", "cpu": None})
    write_calibration("desk", precision="int8", pairs=20)
    write_calibration("desk", precision="fp16", pairs=20, provenance="simulated")
    cells, findings = read_sensitivity(device(name="desk"), Place(), tmp_path)
    origins = {cell["cell"].rpartition("/")[2]: cell["machine"] for cell in cells}
    assert origins == {"fp32": "here", "int8": "elsewhere", "fp16": "simulated"}
    own = next(cell for cell in cells if cell["machine"] == "here")
    noise = json.loads(next(Path("results/calibration").glob("*/*/desk/fp32/*/noise.json")).read_text())
    expected = {entry["effect"]: entry["seconds"] for entry in noise["expected"]}
    assert own["seconds"] == {"1%": expected[0.01], "5%": expected[0.05], "10%": expected[0.1]}
    assert sorted(finding.state for finding in findings) == ["good", "unknown", "unknown"]
    assert describe_best(cells).startswith("This machine tells apart: 1% ") and "5% in" in describe_best(cells)


def test_an_edited_calibration_and_none_at_all_are_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells, findings = read_sensitivity(device(name="desk"), Place(), tmp_path)
    assert cells == [] and findings[0].remedy == "snakemake --profile local calibration --config 'devices=[desk]'"
    path = Path(write_calibration("desk"))
    path.write_text(path.read_text().replace('"pairs"', '"pears"', 1))
    cells, findings = read_sensitivity(device(name="desk"), Place(), tmp_path)
    assert cells == [] and findings[0].state == "bad"
    assert describe_best(cells) == "Nobody has calibrated a cell on this machine."


def test_the_page_has_a_line_per_finding_and_counts_what_is_bad(tmp_path):
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/config").symlink_to(REPOSITORY / "config")
    document = diagnose("jetson", tmp_path / "repository", make_place(tmp_path, PI))
    lines = list(render_diagnosis(document))
    marks = [line[2:4] for line in lines if line[:2] == "  " and line[4:5] == " " and line[2] != " "]
    assert len(marks) == len(document["findings"]) and marks.count("!!") == document["bad"] >= 1
    assert lines[-1] == f"!! {document['bad']} to mend first."
    assert len(json.loads(json.dumps(document))["findings"]) == len(marks)


def test_the_device_is_the_one_whose_board_this_is(tmp_path):
    devices = list_devices(REPOSITORY, make_place(tmp_path, PI))
    here = {item["device"]: item["here"] for item in devices}
    assert here["local"] and not here["jetson"] and here["rpi"] and here["rpi5"] and not here["rpi4"]
    assert choose_device(devices) == "rpi5"  # it says more than `rpi` does
    assert choose_device([item for item in devices if item["device"] != "rpi5"]) == "rpi"
    assert choose_device([item for item in devices if not item["device"].startswith("rpi")]) == "local"


@pytest.mark.parametrize(
    ("machine", "system", "here"),
    [
        ("x86_64", "Linux", {"local", "arm64-emulated"}),
        ("aarch64", "Linux", {"local", "arm64-emulated", "rk3588"}),
        ("arm64", "Darwin", {"local", "arm64-emulated", "rk3588"}),
        ("aarch64", "Android", {"local", "arm64-emulated", "rk3588"}),
    ],
)
def test_a_machine_is_a_device_only_with_its_processor_and_its_system(tmp_path, machine, system, here):
    devices = list_devices(REPOSITORY, Place(tmp_path, None, machine, system))
    assert {item["device"] for item in devices if item["here"]} == here
    why = {item["device"]: item["elsewhere"] for item in devices}
    assert why["mac"] == why["android"] == "no job reaches it; you carry a kit there"
    assert why["jetson"] == ("a board named *jetson*" if machine != "x86_64" else "arm64; this is x86_64")


def test_devices_are_a_table_that_fits(tmp_path):
    lines = list(render_devices(list_devices(REPOSITORY, Place(tmp_path, None, "x86_64", "Linux"))))
    assert max(map(len, lines)) <= 100
    start = lines[0].index("this machine?")
    assert all(line[start - 2 : start] == "  " for line in lines if line and not line.startswith("edgeproof"))
    assert next(line for line in lines if line.startswith("local ")).endswith("  yes")


def test_commands_work_with_a_space_in_the_path_of_a_python(tmp_path):
    (tmp_path / "with space").mkdir()
    body = """echo '{"version": [3, 8, 10], "has": ["numpy"]}'"""
    python = write_program(tmp_path / "with space/python", body)
    remedies = {item.name: item.remedy for item in inspect_runtimes(device(interpreter=python), {}, tmp_path)}
    assert remedies["rknn"] == f"'{python}' -m pip install rknn-toolkit-lite2"
    assert all(f"'{python}'" in remedy for remedy in remedies.values() if remedy and "pip" in remedy)


@pytest.mark.parametrize("name", ["jetson", "rpi", "rk3588", "jetson-orin-nano"])
def test_whatever_is_bad_or_missing_in_a_device_has_a_command_of_its_profile(tmp_path, name):
    document = diagnose(name, REPOSITORY, Place(tmp_path, str(tmp_path)))
    bad = [item for item in document["findings"] if item["state"] == "bad"]
    assert bad and all(item["remedy"] for item in bad), [item for item in bad if not item["remedy"]]
    (calibration,) = [item for item in document["findings"] if item["name"] == "calibration"]
    wanted = {"jetson": "jetson calibration", "rpi": "rpi calibration"}.get(name)
    profile = "local" if name == "rk3588" else "jetson"
    wanted = wanted or f"{profile} calibration --config 'devices=[{name}]'"
    assert calibration["remedy"] == f"snakemake --profile {wanted}"
    assert not any("[]" in item["text"] or "['" in item["text"] for item in document["findings"])
