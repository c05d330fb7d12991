"""Snapshots from made-up file systems: a Jetson, a Raspberry Pi, and one where nothing can be read."""

import os

import pytest
from edgeproof.agent.environment import read_board, read_emulator, read_environment, steal_share


def write(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def board(tmp_path):
    files = {
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "proc/stat": "cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 1 2 3 4\n",
        "proc/loadavg": "0.50 0.25 0.10 1/200 4242\n",
        "proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable:    4000000 kB\n",
        "proc/vmstat": "nr_free_pages 1\noom_kill 3\n",
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.4\n",
        "etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
        "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1510400\n",
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
        "sys/class/thermal/thermal_zone0/temp": "48250\n",
        "sys/class/thermal/thermal_zone1/type": "PMIC-Die\n",
        "sys/class/thermal/thermal_zone1/temp": "100000\n",
        "sys/fs/cgroup/cpu.max": "150000 100000\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_board_is_read(board):
    state = read_environment(str(board))
    assert read_board(str(board)) == state["board"] == "NVIDIA Jetson Orin Nano Developer Kit"
    assert state["os"] == "Ubuntu 22.04.5 LTS"
    assert state["governors"] == ["performance", "schedutil"]
    assert state["frequencies_khz"] == [1510400]
    assert state["temperatures_c"] == {"cpu-thermal": 48.25}  # the PMIC's constant 100 is no temperature
    assert state["cpu_quota"] == 1.5
    assert state["load_average"] == [0.5, 0.25, 0.1]
    assert state["memory_available_bytes"] == 4_000_000 * 1024
    assert state["jetpack"].startswith("# R36")


@pytest.mark.parametrize(
    ("mapped", "found"),
    [
        ("/usr/bin/qemu-aarch64-static", "qemu-aarch64-static"),
        ("/run/rosetta/rosetta", "rosetta"),
        ("/usr/bin/python3.11", None),
        ("/home/me/models/qemu-aarch64/model.onnx", None),
        ("", None),
    ],
)
def test_the_program_that_emulates_the_processor_is_named(tmp_path, mapped, found):
    own = os.getpid()
    lines = f"00400000-00e00000 r-xp 00000000 fe:01 1234   {mapped}\n7ffc0000-7ffd0000 rw-p 00000000 00:00 0  [stack]\n"
    write(tmp_path, **{f"proc__{own}__task__{own}__maps": lines})
    assert read_emulator(str(tmp_path)) == read_environment(str(tmp_path))["emulator"] == found
    assert read_emulator(str(tmp_path / "nothing")) is None


def test_what_cannot_be_read_is_null(tmp_path):
    state = read_environment(str(tmp_path))
    for key in ("board", "governors", "frequencies_khz", "temperatures_c", "cpu_quota", "load_average", "cpu_ticks"):
        assert state[key] is None


def test_steal_share(board):
    before = read_environment(str(board))
    (board / "proc/stat").write_text("cpu  150 0 50 840 10 0 5 45 0 0\n")
    assert steal_share(before, read_environment(str(board))) == pytest.approx(0.1)
    assert steal_share(before, before) == 0.0
    assert steal_share({"cpu_ticks": None}, before) is None
