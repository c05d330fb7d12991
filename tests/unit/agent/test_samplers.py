"""Each sampler on a board that stands in for one, and what the recorder makes of those that are not there."""

import sys
import types

import numpy as np
import pytest
from edgeproof.agent.failures import NoVerdict
from edgeproof.agent.samplers.hwmon import Hwmon
from edgeproof.agent.samplers.meter_alignment import correlate
from edgeproof.agent.samplers.meter_csv import MeterCsv
from edgeproof.agent.samplers.rapl import Rapl, count_step
from edgeproof.agent.samplers.recorder import Recorder
from edgeproof.agent.samplers.sampler import Unavailable
from edgeproof.agent.samplers.vcgencmd import Vcgencmd, parse_adc, parse_throttled

from .stand_in_boards import (
    read_rows,
    record,
    values_of,
    wait_until,
    write_files,
    write_ina3221,
    write_jetpack_4,
    write_proc,
    write_vcgencmd,
)

ADC = "VDD_CORE_A current(7)=2.00000000A\nVDD_CORE_V volt(15)=0.80000000V\nEXT5V_V volt(24)=5.10000000V"


def count_of(channel, count):
    return lambda rows: len(values_of(rows, channel)) >= count


def test_hwmon_multiplies_voltage_and_current_and_knows_the_total(tmp_path):
    write_ina3221(tmp_path, {"VDD_IN": (5000, 880), "VDD_CPU_GPU_CV": (5000, 104), "NC": (0, 0)})
    options = [{"name": "hwmon", "root": str(tmp_path), "interval_ms": 2}]
    report, rows = record(options, tmp_path / "out", count_of("total_w", 5))
    assert set(values_of(rows, "total_w")) == {4.4} and set(values_of(rows, "rail_w:VDD_CPU_GPU_CV")) == {0.52}
    sampler = report["samplers"][0]
    assert sampler["power"] == {"channel": "total_w", "boundary": "module", "rails": ["VDD_IN"], "kind": "measured"}
    assert sampler["quantum"] == pytest.approx(5 * 0.008 + 0.88 * 0.008)  # a step of the shunt, and of the bus
    assert sampler["samples"]["total_w"] == len(values_of(rows, "total_w")) and sampler["reason"] is None
    raw = (tmp_path / "out/hwmon.raw").read_text()
    assert raw.count("in1_input=5000") == len(values_of(rows, "total_w")) and raw.split("\t")[0].isdigit()


def test_hwmon_adds_up_the_rails_of_a_board_without_a_total(tmp_path):
    write_ina3221(tmp_path, {"VDD_GPU_SOC": (1000, 2400), "VDD_CPU_CV": (1000, 400), "VIN_SYS_5V0": (5000, 806)})
    options = [{"name": "hwmon", "root": str(tmp_path), "interval_ms": 2}]
    report, rows = record(options, tmp_path / "out", count_of("total_w", 1))
    assert values_of(rows, "total_w")[0] == pytest.approx(2.4 + 0.4 + 4.03)
    assert report["samplers"][0]["power"]["kind"] == "derived"


def test_hwmon_reads_the_driver_of_jetpack_4(tmp_path):
    write_jetpack_4(tmp_path, {"POM_5V_IN": 1057, "POM_5V_GPU": 0})
    options = [{"name": "hwmon", "root": str(tmp_path), "interval_ms": 2}]
    report, rows = record(options, tmp_path / "out", count_of("total_w", 1))
    assert values_of(rows, "total_w")[0] == 1.057 and report["samplers"][0]["power"]["rails"] == ["POM_5V_IN"]


def test_hwmon_reads_the_power_that_an_ina226_says(tmp_path):
    folder = "sys/class/hwmon/hwmon3"
    write_files(tmp_path, {f"{folder}/name": "ina226", f"{folder}/power1_input": 7250000, f"{folder}/in1_input": 12000})
    options = [{"name": "hwmon", "root": str(tmp_path), "interval_ms": 2, "boundary": "wall"}]
    report, rows = record(options, tmp_path / "out", count_of("total_w", 1))
    assert values_of(rows, "total_w")[0] == 7.25 and report["samplers"][0]["power"]["boundary"] == "wall"


def test_rails_may_be_named_and_a_wrong_name_is_told(tmp_path):
    write_ina3221(tmp_path, {"A": (1000, 1000), "B": (1000, 2000)})
    options = {"name": "hwmon", "root": str(tmp_path), "interval_ms": 2}
    report, rows = record([{**options, "rails": ["A", "B"]}], tmp_path / "out", count_of("total_w", 1))
    assert values_of(rows, "total_w")[0] == 3.0
    report, rows = record([options], tmp_path / "own", count_of("rail_w:A", 1))
    assert report["samplers"][0]["power"] is None and "name them as `rails`" in report["samplers"][0]["notes"][0]
    with pytest.raises(Unavailable, match=r"no rail C; there are A, B"):
        start(Hwmon, {**options, "rails": ["C"]}, tmp_path)


def start(sampler, options, folder):
    with (folder / "raw").open("wb") as raw:
        sampler(options, raw).start()


def test_a_file_that_only_root_may_read_is_named_with_the_remedy(tmp_path, monkeypatch):
    write_jetpack_4(tmp_path, {"VDD_IN": 5000})
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(Unavailable, match=r"only root may read it; run: sudo chmod a\+r .*in_power0_input"):
        start(Hwmon, {"name": "hwmon", "root": str(tmp_path)}, tmp_path)


def test_a_counter_that_wraps_around_goes_on():
    assert count_step(5, 9, 10) == 4 and count_step(9, 2, 10) == 4 and count_step(7, 7, 10) == 0


def test_rapl_counts_joules_over_the_wrap(tmp_path):
    folder = tmp_path / "sys/class/powercap/intel-rapl:0"
    write_files(tmp_path, {f"sys/class/powercap/intel-rapl:0/{name}": value for name, value in (
        ("name", "package-0"), ("energy_uj", 9_000_000), ("max_energy_range_uj", 9_999_999))})  # fmt: skip
    write_files(tmp_path, {f"sys/class/powercap/intel-rapl:0:0/{name}": value for name, value in (
        ("name", "core"), ("energy_uj", 10), ("max_energy_range_uj", 9_999_999))})  # fmt: skip
    with (tmp_path / "raw").open("wb") as raw:
        sampler = Rapl({"name": "rapl", "root": str(tmp_path), "interval_ms": 60000}, raw)
        sampler.start()
        (folder / "energy_uj").write_text("2000000\n")
        values = dict(sampler._read_values())
        sampler.stop()
    assert values["total_j"] == pytest.approx(3.0) and values["domain_j:0/core"] == 0.0
    power = sampler.describe()["power"]
    assert power == {"channel": "total_j", "boundary": "chip", "rails": ["package-0"], "kind": "measured"}


def test_vcgencmd_counts_the_bits_that_are_new(tmp_path):
    command = write_vcgencmd(tmp_path, throttled="0x50000", adc=ADC)
    options = [{"name": "vcgencmd", "command": command, "interval_ms": 20}]
    recorder = Recorder(options, str(tmp_path / "out"))
    recorder.start()
    wait_until(lambda: count_of("throttled:new", 1)(read_rows(tmp_path / "out")))
    write_vcgencmd(tmp_path, throttled="0x70002", adc=ADC)  # since boot 16 and 18 were set; 17 is new, and 1 holds now
    wait_until(lambda: 1.0 in values_of(read_rows(tmp_path / "out"), "throttled:new"))
    report = recorder.stop()
    rows = read_rows(tmp_path / "out")
    assert values_of(rows, "throttled:new")[0] == 0.0 and values_of(rows, "throttled:now")[-1] == 1.0
    assert values_of(rows, "total_w")[0] == 1.6 and values_of(rows, "temperature_c:soc")[0] == 61.2
    assert report["samplers"][0]["power"]["kind"] == "partial"  # what USB takes is not among the rails


def test_a_kernel_that_always_says_0_is_named(tmp_path):
    command = write_vcgencmd(tmp_path, throttled="0x0", temperature="86.0")
    report, _ = record(
        [{"name": "vcgencmd", "command": command, "interval_ms": 20}], tmp_path / "out", count_of("throttled:now", 1)
    )
    assert "does not report it" in report["samplers"][0]["notes"][0]


@pytest.mark.parametrize("text", ["", "throttled=", "throttled=0xZZ", "throttled=0x0 ", "VCHI initialization failed"])
def test_what_is_no_answer_of_get_throttled_is_none(text):
    assert parse_throttled(text) is None


def test_adc_needs_current_and_voltage_of_one_rail():
    assert parse_adc(ADC) == {"VDD_CORE": 1.6} and parse_adc("VDD_CORE_A current(7)=..A") == {}


def test_vcgencmd_that_is_not_there_is_told_with_the_package(tmp_path):
    with pytest.raises(Unavailable, match="raspi-utils"):
        start(Vcgencmd, {"name": "vcgencmd", "command": [str(tmp_path / "none")]}, tmp_path)


def test_procfs_reads_heat_clocks_load_and_the_memory_of_the_process(tmp_path):
    write_proc(tmp_path)
    write_files(tmp_path, {"proc/77/statm": "9000 500 0 0 0 0 0", "proc/77/task/77/children": "78"})
    write_files(tmp_path, {"proc/78/statm": "9000 250 0 0 0 0 0", "proc/78/task/78/children": ""})
    recorder = Recorder([{"name": "procfs", "root": str(tmp_path), "interval_ms": 2}], str(tmp_path / "out"))
    recorder.start()
    recorder.watch(77)
    wait_until(lambda: count_of("memory_bytes:process", 2)(read_rows(tmp_path / "out")))
    write_proc(tmp_path, busy=130, idle=970)
    wait_until(lambda: count_of("busy_share", 1)(read_rows(tmp_path / "out")))
    report = recorder.stop()
    rows = read_rows(tmp_path / "out")
    assert values_of(rows, "memory_bytes:process")[0] == 750 * 4096
    assert values_of(rows, "busy_share")[0] == pytest.approx(0.3)
    assert values_of(rows, "temperature_c:gpu-thermal")[0] == 51.5 and not values_of(rows, "temperature_c:PMIC-Die")
    assert values_of(rows, "clock_mhz:policy0")[0] == 1510.4 and values_of(rows, "clock_mhz:17000000.gpu")[0] == 624.75
    assert values_of(rows, "pressure_percent:cpu")[0] == 1.5
    assert report["samplers"][0]["power"] is None


@pytest.mark.parametrize(("share", "throttled"), [(0.25, 1.0), (0.95, 0.0)])
def test_procfs_says_when_an_accelerator_is_below_its_clock(tmp_path, share, throttled):
    write_proc(tmp_path)
    folder = "sys/class/devfreq/fdab0000.npu"
    write_files(tmp_path, {f"{folder}/cur_freq": round(share * 1e9), f"{folder}/max_freq": 1_000_000_000})
    options = [{"name": "procfs", "root": str(tmp_path), "interval_ms": 2, "least_clocks": {"npu": 0.9}}]
    channel = "throttled:clock of fdab0000.npu"
    _, rows = record(options, tmp_path / "out", count_of(channel, 3))
    assert set(values_of(rows, channel)) == {throttled}


def test_a_clock_that_is_asked_about_must_be_there(tmp_path):
    write_proc(tmp_path)  # its GPU does not say its highest clock
    for word in ("npu", "gpu"):
        options = [{"name": "procfs", "root": str(tmp_path), "required": True, "least_clocks": {word: 0.9}}]
        with pytest.raises(NoVerdict, match=f"least_clocks: nothing in .*devfreq is called {word}"):
            Recorder(options, str(tmp_path / word)).start()


def test_nvml_counts_the_joules_of_a_card(tmp_path, monkeypatch):
    library = types.ModuleType("pynvml")
    library.NVMLError = type("NVMLError", (Exception,), {})
    library.NVML_TEMPERATURE_GPU, library.NVML_CLOCK_SM = 0, 1
    energy = iter(range(1_000_000, 10**9, 250))  # mJ
    answers = {
        "TotalEnergyConsumption": lambda: next(energy),
        "PowerUsage": lambda: 70_500,
        "Temperature": lambda: 44,
        "ClockInfo": lambda: 1980,
        "MemoryInfo": lambda: types.SimpleNamespace(used=5 << 20),
        "CurrentClocksThrottleReasons": lambda: 0x40,
    }
    for name, answer in answers.items():
        setattr(library, f"nvmlDeviceGet{name}", lambda card, *more, answer=answer: answer())
    library.nvmlInit = library.nvmlShutdown = lambda: None
    library.nvmlDeviceGetCount, library.nvmlDeviceGetHandleByIndex = lambda: 1, lambda number: f"card {number}"

    def not_supported(card):
        raise library.NVMLError("Not Supported")

    library.nvmlDeviceGetUtilizationRates = not_supported
    monkeypatch.setitem(sys.modules, "pynvml", library)
    report, rows = record([{"name": "nvml", "interval_ms": 2}], tmp_path / "out", count_of("total_j", 3))
    assert np.diff(values_of(rows, "total_j")).tolist() == pytest.approx([0.25] * (len(values_of(rows, "total_j")) - 1))
    assert values_of(rows, "rail_w:gpu0")[0] == 70.5 and values_of(rows, "throttled:gpu0")[0] == 1.0
    assert not values_of(rows, "busy_share:gpu0")
    assert report["samplers"][0]["power"]["boundary"] == "board"


def test_nvml_without_its_library_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    report, _ = record([{"name": "nvml"}], tmp_path / "out", lambda rows: True)
    assert "pip install nvidia-ml-py" in report["samplers"][0]["reason"]


def test_an_optional_sampler_that_is_not_there_has_a_reason_and_a_required_one_ends_it(tmp_path):
    options = {"name": "hwmon", "root": str(tmp_path / "nothing")}
    report, rows = record([options], tmp_path / "out", lambda rows: True)
    assert rows == [] and "no power monitor" in report["samplers"][0]["reason"]
    with pytest.raises(NoVerdict, match="hwmon: no power monitor"):
        Recorder([{**options, "required": True}], str(tmp_path / "out")).start()


def test_a_source_that_goes_away_ends_its_sampler_alone(tmp_path):
    write_ina3221(tmp_path, {"VDD_IN": (5000, 880)})
    write_proc(tmp_path)
    options = [{"name": name, "root": str(tmp_path), "interval_ms": 2} for name in ("hwmon", "procfs")]
    recorder = Recorder(options, str(tmp_path / "out"))
    recorder.start()
    wait_until(lambda: count_of("total_w", 2)(read_rows(tmp_path / "out")))
    (tmp_path / "sys/class/hwmon/hwmon0/in1_input").write_text("broken\n")
    wait_until(lambda: recorder._samplers[0].describe()["reason"] is not None)
    seen = len(values_of(read_rows(tmp_path / "out"), "clock_mhz:policy0"))
    wait_until(lambda: len(values_of(read_rows(tmp_path / "out"), "clock_mhz:policy0")) > seen)
    report = recorder.stop()
    assert "readings in a row failed" in report["samplers"][0]["reason"] and report["samplers"][1]["reason"] is None


def write_meter(path, times, watts, markers=()):
    rows = [f"{t:.3f},{w:.3f},{'x' if n in markers else ''}" for n, (t, w) in enumerate(zip(times, watts, strict=True))]
    path.write_text("time_s,power_w,marker\n" + "".join(f"{row}\n" for row in rows))


def test_a_meters_clock_is_aligned_by_its_power():
    random = np.random.default_rng(0)
    times = np.arange(0, 60, 0.2)
    true_offset = 1234.567
    busy = [(10.0, 17.0), (20.0, 26.0), (31.0, 45.0)]
    loaded = np.array([any(a <= t <= b for a, b in busy) for t in times])
    watts = np.where(loaded, 9.0, 4.0) + 0.2 * random.standard_normal(len(times))
    ours = [(int((a + true_offset) * 1e9), int((b + true_offset) * 1e9)) for a, b in busy]
    alignment, reason = correlate(times.tolist(), watts.tolist(), ours)
    assert reason is None
    assert abs(alignment.offset_ns / 1e9 - true_offset) <= alignment.error_s < 0.5
    flat, reason = correlate(times.tolist(), (4 + 0.2 * random.standard_normal(len(times))).tolist(), ours)
    assert flat is None and "does not show" in reason


def test_a_meters_clock_is_aligned_by_its_marker(tmp_path):
    meter = tmp_path / "meter.csv"
    write_meter(meter, np.arange(0, 5, 0.01), np.full(500, 7.5))
    options = {"name": "meter-csv", "file": str(meter), "boundary": "wall", "marker_column": "marker"}
    with (tmp_path / "raw").open("wb") as raw:
        sampler = MeterCsv({**options, "marker_command": ["true"]}, raw)
        sampler.start()
        write_meter(meter, np.arange(0, 5, 0.01), np.full(500, 7.5), markers=(100,))
        sampler.stop()
        rows = sampler.drain()
    report = sampler.describe()
    assert report["reason"] is None and "by marker" in report["notes"][-1] and report["power"]["boundary"] == "wall"
    assert rows and {row.value for row in rows} == {7.5}
    assert all(sampler._begin_ns <= row.at_ns for row in rows)


def test_a_meter_without_a_marker_or_rows_says_so(tmp_path):
    with pytest.raises(Unavailable, match="has not written it"):
        start(MeterCsv, {"name": "meter-csv", "file": str(tmp_path / "none.csv"), "boundary": "wall"}, tmp_path)
