"""One process of the comparison with MLPerf LoadGen: both time the same session, in turn.

It runs in the environment `loadgen`, which has LoadGen and a runtime, and imports nothing of edgeproof but the agent.
LoadGen issues the queries of its SingleStream scenario and times them itself; its own summary says what their median
was.

    python -m edgeproof.bench.loadgen_turns SPEC FOLDER     (spec: arm, inputs, turns, queries, seed)
"""

import json
import random
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mlperf_loadgen as loadgen

from edgeproof.agent.backends.opening import open_backend
from edgeproof.agent.inference import describe_runtime, read_mix
from edgeproof.agent.timing import time_calls

_WARM_UP_S = 1.0
_MEDIAN = re.compile(r"^50\.00 percentile latency \(ns\)\s*:\s*(\d+)", re.MULTILINE)
_COUNT = re.compile(r"^min_query_count\s*:\s*(\d+)", re.MULTILINE)


def _run_turns(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return {loadgen_ns, ours_ns: median of each turn, queries, runtime}."""
    backend = open_backend(spec["arm"])
    feeds, _ = read_mix(spec["inputs"], spec["protocol"])
    calls = [backend.bind(feed) for feed in feeds]
    time_calls(calls, 10, int(_WARM_UP_S * 1e9), 1)
    draw, queries = random.Random(spec["seed"]), spec["queries"]
    ways: dict[str, Callable[[], float]] = {
        "loadgen_ns": lambda: _time_by_loadgen(calls, queries, folder),
        "ours_ns": lambda: statistics.median(time_calls(calls, queries, 0, 1)),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(spec["turns"]):
        for name in draw.sample(sorted(ways), 2):
            found[name].append(ways[name]())
    return {**found, "queries": queries, "runtime": describe_runtime(backend)}


def _time_by_loadgen(calls: Sequence[Callable[[], Any]], queries: int, folder: Path) -> float:
    """Run LoadGen's SingleStream over so many queries of `calls` and return the median that it reports, in ns."""

    def issue(samples: Any) -> None:
        for sample in samples:
            calls[sample.index]()
            loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(sample.id, 0, 0)])

    def do_nothing(*_: Any) -> None:
        """What LoadGen asks for and a benchmark with everything in memory does not need."""

    settings = loadgen.TestSettings()
    settings.scenario, settings.mode = loadgen.TestScenario.SingleStream, loadgen.TestMode.PerformanceOnly
    settings.min_query_count = settings.max_query_count = queries
    settings.min_duration_ms = 0
    logs = loadgen.LogSettings()
    logs.log_output.outdir, logs.log_output.copy_summary_to_stdout = str(folder), False
    system = loadgen.ConstructSUT(issue, do_nothing)
    library = loadgen.ConstructQSL(len(calls), len(calls), do_nothing, do_nothing)
    try:
        loadgen.StartTestWithLogSettings(system, library, settings, logs)
    finally:
        loadgen.DestroyQSL(library)
        loadgen.DestroySUT(system)
    return _read_median((folder / "mlperf_log_summary.txt").read_text(), queries)


def _read_median(summary: str, queries: int) -> float:
    """Return the median latency in LoadGen's summary, in ns; ValueError where it is of another test or has none."""
    median, count = _MEDIAN.search(summary), _COUNT.search(summary)
    if not median or not count or int(count[1]) != queries:
        raise ValueError(f"LoadGen's summary has no median of {queries} queries")
    return float(median[1])


if __name__ == "__main__":
    place = Path(sys.argv[2])
    report = _run_turns(json.loads(Path(sys.argv[1]).read_text()), place)
    (place / "turns.json").write_text(json.dumps(report, indent=2))
