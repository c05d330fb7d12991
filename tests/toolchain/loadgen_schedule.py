"""When LoadGen's Server scenario schedules its queries; run by the Python of the environment `loadgen`.

python loadgen_schedule.py RATE QUERIES SEED FOLDER     (prints the times in seconds as JSON; logs go to FOLDER)

The times are those of LoadGen's trace, which has them whether or not a query could be issued in time.
"""

import json
import re
import sys
from pathlib import Path

import mlperf_loadgen as loadgen

_SCHEDULED = re.compile(r'^\{"name":"Latency",.*?"ts":([\d.]+)', re.MULTILINE)


def do_nothing(*_):
    """Stand for what LoadGen asks a system for that has everything in memory."""


def answer_all(samples):
    """Answer at once."""
    loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0) for sample in samples])


def read_schedule(rate, queries, seed, folder):
    """Return when each query was due, in seconds from the first."""
    settings = loadgen.TestSettings()
    settings.scenario, settings.mode = loadgen.TestScenario.Server, loadgen.TestMode.PerformanceOnly
    settings.server_target_qps, settings.schedule_rng_seed = rate, seed
    settings.min_query_count = settings.max_query_count = queries
    settings.min_duration_ms = 0
    logs = loadgen.LogSettings()
    logs.log_output.outdir, logs.log_output.copy_summary_to_stdout, logs.enable_trace = str(folder), False, True
    system, library = loadgen.ConstructSUT(answer_all, do_nothing), loadgen.ConstructQSL(8, 8, do_nothing, do_nothing)
    loadgen.StartTestWithLogSettings(system, library, settings, logs)
    loadgen.DestroyQSL(library)
    loadgen.DestroySUT(system)
    due = sorted(float(ts) / 1e6 for ts in _SCHEDULED.findall((Path(folder) / "mlperf_log_trace.json").read_text()))
    return [one - due[0] for one in due]


if __name__ == "__main__":
    print(json.dumps(read_schedule(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
