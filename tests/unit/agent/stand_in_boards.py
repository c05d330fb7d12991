"""Files of /sys and /proc as boards have them, and stand-ins for vendors' tools."""

import os
import sys
import textwrap
import time

from edgeproof.agent.samplers.recorder import Recorder
from edgeproof.core.layout import REPOSITORY

LINES = REPOSITORY / "tests/data/tegrastats"
TEGRASTATS = REPOSITORY / "tests/data/stand_ins/boards/tegrastats.py"


def write_files(root, files):
    """Write {path below root: text}."""
    for path, text in files.items():
        place = root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"{text}\n")


def write_ina3221(root, rails, number=0):
    """Write the monitor of a Jetson of JetPack 5 or later: {label: (mV, mA)}, at most three."""
    folder = f"sys/class/hwmon/hwmon{number}"
    files = {f"{folder}/name": "ina3221", f"{folder}/update_interval": "1"}
    for place, (label, (volts, amperes)) in enumerate(rails.items(), 1):
        files |= {f"{folder}/in{place}_label": label, f"{folder}/in{place}_input": volts}
        files |= {f"{folder}/curr{place}_input": amperes, f"{folder}/shunt{place}_resistor": 5000}
    write_files(root, files)


def write_jetpack_4(root, rails):
    """Write the monitor of JetPack 4's own driver: {label: mW}."""
    folder = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    for place, (label, power) in enumerate(rails.items()):
        write_files(root, {f"{folder}/rail_name_{place}": label, f"{folder}/in_power{place}_input": power})


def write_proc(root, busy=100, idle=900):
    """Write what procfs wants to see."""
    write_files(
        root,
        {
            "proc/stat": f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 {busy} 0 0 {idle} 0 0 0 0 0 0",
            "proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 4000000 kB",
            "proc/pressure/cpu": "some avg10=1.50 avg60=0.00 avg300=0.00 total=1",
            "sys/class/thermal/thermal_zone0/type": "gpu-thermal",
            "sys/class/thermal/thermal_zone0/temp": 51500,
            "sys/class/thermal/thermal_zone1/type": "PMIC-Die",
            "sys/class/thermal/thermal_zone1/temp": 100000,
            "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": 1510400,
            "sys/class/devfreq/17000000.gpu/cur_freq": 624750000,
        },
    )


def tegrastats_command(lines, how="run", count=0):
    """Return the command of a stand-in that prints the lines of a file of tests/data/tegrastats."""
    return [sys.executable, str(TEGRASTATS), str(LINES / lines), how, str(count)]


def write_vcgencmd(folder, throttled="0x50000", temperature="61.2", adc=""):
    """Write a vcgencmd that answers so; return its command."""
    script, beside = folder / "vcgencmd.py", folder / ".vcgencmd.py"
    beside.write_text(
        textwrap.dedent(f"""\
        import sys
        answers = {{"get_throttled": "throttled={throttled}", "measure_temp": "temp={temperature}'C",
                   "measure_clock": "frequency(0)=1500345728", "pmic_read_adc": {adc!r}}}
        print(answers[sys.argv[1]])
        """)
    )
    beside.replace(script)  # somebody may run it just now
    return [sys.executable, str(script)]


def wait_until(condition, seconds=20.0):
    """Wait for a condition that another thread or process brings about."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.005)


def record(options, out, until):
    """Run samplers until a condition of their telemetry holds (rows so far); return the report and the rows."""
    recorder = Recorder(options, str(out))
    recorder.start()
    try:
        wait_until(lambda: until(read_rows(out)))
    finally:
        report = recorder.stop()
    return report, read_rows(out)


def read_rows(out):
    """Return [(at_ns, sampler, channel, value)] of the whole lines of a telemetry file."""
    text = (out / "telemetry.csv").read_text()
    lines = text[: text.rfind("\n") + 1].splitlines()[1:]
    rows = [line.split(",") for line in lines]
    return [(int(at), sampler, channel, float(value)) for at, sampler, channel, value in rows]


def values_of(rows, channel):
    """Return the values of one channel."""
    return [value for _, _, name, value in rows if name == channel]


def is_root():
    """Tell whether file permissions mean nothing to us."""
    return os.geteuid() == 0
