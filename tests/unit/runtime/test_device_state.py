"""The state of a made-up device: every source, and that one unreadable sensor hides no other."""

import pytest
from edgeproof.runtime.device_state import (
    DeviceState,
    OwnUse,
    ProcessReader,
    StateError,
    StateReader,
    describe_state,
    parse_state,
)


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture
def board(tmp_path):
    write(tmp_path, "proc/meminfo", "MemTotal: 4096000 kB\nMemAvailable: 1048576 kB\n")
    write(tmp_path, "proc/stat", "cpu 100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\n")
    zone = "sys/class/thermal/thermal_zone{}/{}"
    for number, (kind, value) in enumerate(
        [("cpu", "45500"), ("gpu", "61000"), ("off", "-274000"), ("PMIC", "100000")]
    ):
        write(tmp_path, zone.format(number, "type"), kind)
        write(tmp_path, zone.format(number, "temp"), value)
    write(tmp_path, "sys/class/power_supply/AC/type", "Mains\n")
    write(tmp_path, "sys/class/power_supply/BAT0/type", "Battery\n")
    write(tmp_path, "sys/class/power_supply/BAT0/capacity", "104\n")
    write(tmp_path, "sys/class/power_supply/BAT0/status", "Discharging\n")
    write(tmp_path, "sys/devices/gpu.0/load", "370\n")
    return tmp_path


def read(root):
    return StateReader(str(root), clock=lambda: 7.0).read()


def test_every_field_of_a_board(board):
    assert read(board) == DeviceState(1024.0, 0.0, 100.0, False, 61.0, 37.0, None, 7.0)


def test_a_machine_without_sensors(tmp_path):
    write(tmp_path, "proc/meminfo", "MemAvailable: 2048 kB\n")
    write(tmp_path, "proc/stat", "cpu 1 2 3 4\n")
    assert read(tmp_path) == DeviceState(2.0, timestamp=7.0)


def test_without_memory_there_is_no_state(board):
    write(board, "proc/meminfo", "MemTotal: 4096000 kB\n")
    with pytest.raises(StateError, match="MemAvailable"):
        read(board)


def test_an_unreadable_zone_hides_no_other(board):
    write(board, "sys/class/thermal/thermal_zone1/temp", "")
    reader = StateReader(str(board))
    assert reader.read().thermal_zone_c == 45.5
    assert reader.problems == {"heat: thermal_zone1": "temp cannot be read"}


@pytest.mark.parametrize("path", ["sys/class/power_supply/BAT0/capacity", "proc/stat"])
def test_garbage_in_one_source_hides_no_other(board, path):
    write(board, path, "cpu garbage\n")
    reader = StateReader(str(board))
    state = reader.read()
    assert (state.thermal_zone_c, state.gpu_utilization_pct, len(reader.problems)) == (61.0, 37.0, 1)


@pytest.mark.parametrize(
    ("status", "charging"),
    [("Charging", True), ("Full", True), ("Discharging", False), ("Not charging", False), ("Unknown", None)],
)
def test_words_of_a_battery(board, status, charging):
    write(board, "sys/class/power_supply/BAT0/status", f"{status}\n")
    assert read(board).is_charging is charging


def test_load_is_since_the_readers_own_last_reading(board):
    """Waiting for a disk is idle, and guests (the last two numbers) are in user time already."""
    first, other = StateReader(str(board)), StateReader(str(board))
    assert first.read().cpu_utilization_pct == 0.0
    write(board, "proc/stat", "cpu 150 0 100 740 110 0 0 0 99 0\n")
    assert first.read().cpu_utilization_pct == pytest.approx(50.0)
    assert other.read().cpu_utilization_pct == 0.0
    assert first.read().cpu_utilization_pct == 0.0  # nothing has passed


def test_a_load_of_mali_and_of_amd(board):
    write(board, "sys/class/devfreq/fb000000.gpu/load", "81@800000000Hz\n")
    assert read(board).gpu_utilization_pct == 81.0
    write(board, "sys/class/drm/card0/device/gpu_busy_percent", "93\n")
    assert read(board).gpu_utilization_pct == 93.0


def test_a_limit_of_the_control_group_counts(board):
    write(board, "proc/self/cgroup", "0::/job\n")
    write(board, "sys/fs/cgroup/job/memory.max", str(100 * 2**20))
    write(board, "sys/fs/cgroup/job/memory.current", str(60 * 2**20))
    assert read(board).available_ram_mb == 40.0


def test_what_a_process_takes(board):
    write(board, "proc/42/status", "Name: a\nVmRSS:\t 20480 kB\n")
    write(board, "proc/42/stat", "42 (a (b) c) S " + " ".join(["0"] * 10) + " 30 10 0 0\n")
    reader = ProcessReader(42, str(board))
    assert reader.read() == OwnUse(20.0, 0.0)
    write(board, "proc/stat", "cpu 200 0 100 700 100 0 0 0 0 0\n")
    write(board, "proc/42/stat", "42 (a (b) c) S " + " ".join(["0"] * 10) + " 50 15 0 0\n")
    assert reader.read() == OwnUse(20.0, 25.0)
    assert ProcessReader(43, str(board)).read() is None


def test_a_state_survives_its_line(board):
    state = read(board)
    assert parse_state(describe_state(state)) == state
    assert next(iter(describe_state(state))) == "battery_pct" and len(describe_state(state)) == 8


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"timestamp": 1.0},
        {"available_ram_mb": True, "timestamp": 1.0},
        {"available_ram_mb": float("nan"), "timestamp": 1},
    ],
)
def test_a_line_without_numbers_is_refused(fields):
    with pytest.raises(ValueError):
        parse_state(fields)


def test_this_machine_has_a_state():
    state = StateReader().read()
    assert state.available_ram_mb > 0 and state.timestamp > 0
