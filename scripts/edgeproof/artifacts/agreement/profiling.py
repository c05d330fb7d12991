"""Why an artifact is not faster than its source: the time of each operator in both, from ONNX Runtime's profiler.

This explains and does not measure. The profiler costs time, which is recorded too, and one process on a machine in an
unknown state is not a run; runs are in `results/runs/`.
"""

import json
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import locate

WARMUP_RUNS = 5
DEFAULT_RUNS = 50
CAVEATS = (
    "Operator times are taken with the profiler on; `profiling_cost` says how much longer a run takes with it.",
    "One process, both arms in turn, medians over runs: good for where time goes, not for how long a run takes.",
)
# Kinds of work, and the operators of the optimised graph that do it, in floats and in integers.
_FAMILIES = {
    "convolution": ({"Conv", "FusedConv", "NhwcFusedConv", "ConvTranspose"}, {"QLinearConv", "ConvInteger"}),
    "matrix product": (
        {"MatMul", "Gemm", "FusedMatMul", "FusedGemm"},
        {"QLinearMatMul", "QGemm", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"},
    ),
    "quantisation": (set(), {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"}),
    "layout": ({"Transpose", "ReorderInput", "ReorderOutput"}, set()),
}
_FAMILY = {name: family for family, sides in _FAMILIES.items() for names in sides for name in names}
_LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}


def explain_speed(
    cell: Json, baseline: str | Path, candidate: str | Path, runtime: Json, inputs: str | Path, runs: int = DEFAULT_RUNS
) -> Json:
    """Profile two ONNX files; return the document (`edgeproof.operators.v1`) about where they spend their time.

    `cell`: model, preset, builder, precision of the candidate. `baseline`, `candidate`: paths. `runtime`: the preset's
    options, for both. `inputs`: npz; its first sample is run. `runs`: timed runs per arm, once without and once with
    the profiler. UserError if a file does not load or run.
    """
    feed = _read_feed(inputs)
    paths = {"baseline": baseline, "candidate": candidate}
    with tempfile.TemporaryDirectory(prefix="edgeproof-profile-") as folder:
        plain = {side: open_profiling_session(path, runtime) for side, path in paths.items()}
        elapsed = _time_alternately(plain, feed, runs)
        profiled = {side: open_profiling_session(path, runtime, Path(folder, side)) for side, path in paths.items()}
        slowed = _time_alternately(profiled, feed, runs)
        events = {side: read_events(session.end_profiling()) for side, session in profiled.items()}
    arms = {}
    for side, path in paths.items():
        operators = sum_operators(events[side], WARMUP_RUNS)
        median, with_profiler = statistics.median(elapsed[side]), statistics.median(slowed[side])
        arms[side] = {
            "file": locate(path),
            "sha256": sha256_file(path),
            "median_ms": median,
            "median_profiled_ms": with_profiler,
            "profiling_cost": with_profiler / median - 1,
            "outside_operators_ms": with_profiler - sum(item["median_ms"] for item in operators),
            "operators": operators,
        }
    families = compare_families(arms["baseline"]["operators"], arms["candidate"]["operators"])
    ratio = arms["candidate"]["median_ms"] / arms["baseline"]["median_ms"]
    return {
        "schema": "edgeproof.operators.v1",
        "cell": cell,
        "provenance": "measured",
        "runtime": {"name": "onnxruntime", "version": onnxruntime.__version__, "options": runtime},
        "inputs": {"file": locate(inputs), "sha256": sha256_file(inputs), "sample": 0},
        "runs": runs,
        "warmup_runs": WARMUP_RUNS,
        "arms": arms,
        "ratio": ratio,
        "families": families,
        "findings": describe_profiles(cell["precision"], arms, ratio, families),
        "caveats": list(CAVEATS),
    }


def _read_feed(inputs: str | Path) -> dict[str, np.ndarray]:
    """Return the first sample of an npz as `{input name: array (1, …)}`."""
    with np.load(inputs, allow_pickle=False) as archive:
        return {name.removeprefix("inputs/"): archive[name][:1] for name in archive.files if name.startswith("inputs/")}


def open_profiling_session(
    path: str | Path, runtime: Json, profile: Path | None = None
) -> onnxruntime.InferenceSession:
    """Return an ONNX Runtime session to be timed or profiled, with the preset's runtime options.

    `profile`: prefix of the profiler's file, None to run without it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = runtime.get("intra_op_threads", 0)
    options.inter_op_num_threads = runtime.get("inter_op_threads", 1)
    level = _LEVELS[runtime.get("graph_optimization", "all")]
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(runtime.get("spinning", True))))
    options.log_severity_level = 3
    if profile:
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    provider = runtime.get("execution_provider", "CPUExecutionProvider")
    if provider not in onnxruntime.get_available_providers():
        raise UserError(
            f"{provider} is not in the onnxruntime of this machine; profile on a machine where the preset runs"
        )
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # the runtime decides the class
        raise UserError(f"{path}: does not load in ONNX Runtime: {' '.join(str(error).split())[:300]}") from error


def _time_alternately(
    sessions: dict[str, onnxruntime.InferenceSession], feed: dict[str, np.ndarray], runs: int
) -> dict[str, list[float]]:
    """Return `{side: [milliseconds]}` of `runs` runs each, sides in turn, after WARMUP_RUNS untimed ones."""
    elapsed = {side: [] for side in sessions}
    for number in range(WARMUP_RUNS + runs):
        for side, session in sessions.items():
            begin = time.perf_counter_ns()
            session.run(None, feed)
            if number >= WARMUP_RUNS:
                elapsed[side].append((time.perf_counter_ns() - begin) / 1e6)
    return elapsed


def read_events(path: str | Path) -> list[list[tuple[str, str, float]]]:
    """Return the runs in a profile of ONNX Runtime: per run a list of (node, operator, milliseconds)."""
    events = [event for event in json.loads(Path(path).read_text()) if event.get("ph") == "X"]
    ends = sorted(event["ts"] + event["dur"] for event in events if event["name"] == "model_run")
    runs, number = [[] for _ in ends], 0
    kernels = (event for event in events if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"))
    for event in sorted(kernels, key=lambda event: event["ts"]):
        while number < len(ends) - 1 and event["ts"] >= ends[number]:
            number += 1
        node = event["name"].removesuffix("_kernel_time")
        runs[number].append((node, event["args"]["op_name"], event["dur"] / 1e3))
    return runs


def sum_operators(runs: list[list[tuple[str, str, float]]], skip: int) -> list[Json]:
    """Return from profiled runs, per operator, its nodes and its median time after the first `skip`, slowest first."""
    counted = runs[skip:]
    totals, nodes = {}, {}
    for number, run in enumerate(counted):
        for node, operator, elapsed_ms in run:
            totals.setdefault(operator, [0.0] * len(counted))[number] += elapsed_ms
            nodes.setdefault(operator, set()).add(node)
    items = [
        {"operator": name, "nodes": len(nodes[name]), "median_ms": statistics.median(values)}
        for name, values in totals.items()
    ]
    return sorted(items, key=lambda item: (-item["median_ms"], item["operator"]))


def name_family(operator: str) -> str:
    """Return the kind of work that a profiled operator does, in whatever type it computes."""
    plain = operator.removeprefix("QLinear").removeprefix("Nhwc")
    return _FAMILY.get(operator) or _FAMILY.get(plain) or plain


def compare_families(baseline: list[Json], candidate: list[Json]) -> list[Json]:
    """Return, from the operators of both profiles, the time of each kind of work in both, largest increase first.

    A line has both times, both sets of operators and the difference.
    """
    merged = {}
    for side, items in (("baseline", baseline), ("candidate", candidate)):
        for item in items:
            empty = {name: {"ms": 0.0, "operators": {}} for name in ("baseline", "candidate")}
            entry = merged.setdefault(name_family(item["operator"]), empty)[side]
            entry["ms"] += item["median_ms"]
            entry["operators"][item["operator"]] = item["nodes"]
    lines = [
        {
            "family": family,
            "baseline_ms": sides["baseline"]["ms"],
            "candidate_ms": sides["candidate"]["ms"],
            "difference_ms": sides["candidate"]["ms"] - sides["baseline"]["ms"],
            "baseline_operators": sides["baseline"]["operators"],
            "candidate_operators": sides["candidate"]["operators"],
        }
        for family, sides in merged.items()
    ]
    return sorted(lines, key=lambda line: (-line["difference_ms"], line["family"]))


def describe_profiles(precision: str, arms: Json, ratio: float, families: list[Json]) -> list[str]:
    """Return the sentences that say why an artifact is not faster, from the profiles of both."""
    base, other = arms["baseline"]["median_ms"], arms["candidate"]["median_ms"]
    how = f"{ratio:.2f} times as long" if ratio >= 1 else f"{1 / ratio:.2f} times as fast"
    lines = [f"{precision} takes {other:.3g} ms where the source takes {base:.3g} ms: {how}"]
    for line in families:
        if abs(line["difference_ms"]) >= 0.05 * base:
            sides = [_list_operators(line[f"{side}_operators"]) for side in ("baseline", "candidate")]
            lines.append(f"{line['difference_ms']:+.3g} ms in {line['family']}: {sides[0]} became {sides[1]}")
    if precision.startswith("int8"):
        lines += _find_floats(families)
    return lines


def _find_floats(families):
    """Yield a sentence for each kind of work that an int8 artifact still does in floats."""
    for line in families:
        floats, integers = _FAMILIES.get(line["family"], (set(), set()))
        counts = Counter(line["candidate_operators"])
        left, total = sum(counts[name] for name in floats), counts.total()
        if integers and left:
            yield f"{left} of {total} nodes of {line['family']} run in floats: the runtime did not fuse them"


def _list_operators(operators):
    return ", ".join(f"{count} {name}" for name, count in sorted(operators.items())) or "nothing"
