"""Commands under EdgeEnv's contract: what they are given, what they may print, and what becomes of a failure."""

import json
import os
import select
from pathlib import Path

import pytest
import yaml
from edgeproof.agent import lock
from edgeproof.comparability.reported_judging import judge_reported
from edgeproof.core.attempts import list_attempts
from edgeproof.core.errors import UserError
from edgeproof.core.program_start import run
from edgeproof.core.seals import seal
from edgeproof.core.yaml_files import read_yaml
from edgeproof.runs.edgeenv_files import read_benchmark
from edgeproof.runs.edgeenv_output import MalformedOutput, parse_output
from edgeproof.runs.reported_runs import CommandFailed, read_reported, report_benchmark
from edgeproof.workflow.cli import runs
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]
CONFIG, TARGET = (ROOT / f"tests/data/edgeenv/edgeenv-{name}.yaml" for name in ("benchmark", "target"))
METRICS = {
    "latency_mean_ms": 12.5, "latency_p50_ms": 12.0, "latency_p95_ms": 15.0, "latency_p99_ms": 16,
    "throughput_fps": 80.0,
}  # fmt: skip
VARIABLES = {
    "BENCHMARK_NAME": "Squeeze Bench", "MODEL_NAME": "squeezenet", "MODEL_PATH": "models/squeezenet.onnx",
    "RUNTIME": "onnxruntime", "EXECUTION_PROVIDER": "CPUExecutionProvider", "PRECISION": "FP32", "BATCH_SIZE": "1",
    "WARMUP_RUNS": "10", "REPEAT_RUNS": "50", "INCLUDE_PREPROCESS": "false", "INCLUDE_POSTPROCESS": "true",
    "TARGET_NAME": "desk",
}  # fmt: skip


def line(kind, value):
    return f"EDGEENV_{kind}_JSON={json.dumps(value)}\n"


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """A function that writes both files, with a shell program as the command, and reads them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lock, "default_path", lambda: str(tmp_path / "device.lock"))

    def make(body="", target=None, **changes):
        (tmp_path / "bench.sh").write_text(f"#!/bin/sh\n{body}\n")
        config = yaml.safe_load(CONFIG.read_text()) | {"command": "sh bench.sh 'an argument'"} | changes
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
        (tmp_path / "target.yaml").write_text(yaml.safe_dump(yaml.safe_load(TARGET.read_text()) | (target or {})))
        return read_benchmark(tmp_path / "config.yaml", tmp_path / "target.yaml")

    return make


def say(*lines):
    """Return a shell program that prints these lines."""
    return "cat <<'EOF'\n" + "".join(lines) + "EOF"


def test_a_command_gets_every_variable_and_its_last_line_counts(prepare, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/somewhere")  # ours, which is not the command's
    script = "env | sort > seen; echo \"$1\" > argument\n" + say(
        line("METRICS", METRICS | {"latency_mean_ms": 99}), "noise\n", line("METRICS", METRICS),
        line("RESOURCE_METRICS", {"memory_peak_mb": 90.5, "source": "own"}), line("RUNTIME_TELEMETRY", {"a": 1}),
    )  # fmt: skip
    benchmark = prepare(script, extra_env={"MY_FLAG": "1"})
    document = report_benchmark(benchmark, tmp_path)
    seen = dict(row.split("=", 1) for row in (tmp_path / "seen").read_text().splitlines() if "=" in row)
    assert {name: seen[f"EDGEENV_{name}"] for name in VARIABLES} == VARIABLES
    assert seen["MY_FLAG"] == "1" and "PYTHONPATH" not in seen
    assert (tmp_path / "argument").read_text() == "an argument\n"
    assert document["run"]["metrics"] == METRICS and document["run"]["resource_metrics"]["memory_peak_mb"] == 90.5
    assert document["run"]["runtime_telemetry"] == {"a": 1} and document["provenance"] == "reported"
    assert document["cell"] == {"model": "squeeze-bench", "preset": "edgeenv", "device": "desk", "precision": "fp32"}
    place = tmp_path / "results/runs/squeeze-bench/edgeenv/desk/fp32/reported.json"
    assert read_reported(place, tmp_path) == json.loads(place.read_text())
    assert document["model_bytes"] is False
    (tmp_path / "models").mkdir()
    (tmp_path / "models/squeezenet.onnx").write_bytes(b"model")
    again = report_benchmark(benchmark, tmp_path)
    assert again["model_bytes"] and again["earlier"] == 1 and again["run"]["run_id"] != document["run"]["run_id"]
    assert again["run"]["model"]["model_hash"] != document["run"]["model"]["model_hash"]


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ("[1]", "is no object"),
        ("{", "not valid JSON"),
        ('{"latency_mean_ms": NaN}', "NaN is not a number in JSON"),
        (METRICS | {"latency_p50_ms": True}, "latency_p50_ms is True; a finite number"),
        (METRICS | {"latency_p50_ms": "12.5"}, "latency_p50_ms is '12.5'"),
        (METRICS | {"latency_p50_ms": -1}, "a positive number is needed"),
        (METRICS | {"latency_p50_ms": 15.5}, "percentiles out of order"),
        (METRICS | {"fps": 1}, "unknown key 'fps'"),
        ({"latency_mean_ms": 1}, "latency_p50_ms, latency_p95_ms, latency_p99_ms, throughput_fps missing"),
    ],
)
def test_malformed_metrics_make_a_failed_attempt_with_its_logs(prepare, tmp_path, metrics, message):
    text = metrics if isinstance(metrics, str) else json.dumps(metrics)
    benchmark = prepare(f"echo trying\necho careful >&2\n{say(f'EDGEENV_METRICS_JSON={text}', chr(10))}")
    with pytest.raises(CommandFailed, match="EDGEENV_METRICS_JSON=.*" + message) as caught:
        report_benchmark(benchmark, tmp_path)
    assert "\n" not in str(caught.value)
    folder = tmp_path / "results/runs/squeeze-bench/edgeenv/desk/fp32"
    (attempt,) = list_attempts(folder)
    assert (
        not attempt.complete
        and json.loads((attempt.folder / "failure.json").read_text())["kind"] == "malformed_metrics"
    )
    assert (attempt.folder / "stdout.txt").read_text().startswith("trying\n")
    assert (attempt.folder / "stderr.txt").read_text() == "careful\n" and not (folder / "reported.json").exists()


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        (line("RESOURCE_METRICS", {"memory_peek_mb": 1}), "unknown key 'memory_peek_mb'"),
        (line("RESOURCE_METRICS", {"energy_j": -1}), "is negative"),
        (line("RESOURCE_METRICS", {"source": 1}), "source is 1, not a text"),
        (line("RUNTIME_TELEMETRY", {"schema_version": 2}), "schema_version is 2, not a text"),
        (line("RUNTIME_OPERATION_SUMMARY", []), "is no object"),
    ],
)
def test_a_malformed_optional_line_fails_too(printed, message):
    with pytest.raises(MalformedOutput, match=message):
        parse_output((line("METRICS", METRICS) + printed).encode())
    with pytest.raises(MalformedOutput, match="no line of its output begins with"):
        parse_output((" " + line("METRICS", METRICS)).encode())  # the prefix stands at the start of a line


@given(st.binary(max_size=200))
def test_no_output_makes_more_than_a_refusal(noise):
    """Bytes that are no text, and text that is no JSON."""
    good = line("METRICS", METRICS).encode()
    assert parse_output(noise.replace(b"EDGEENV", b"") + b"\n" + good).metrics == METRICS
    with pytest.raises(MalformedOutput):
        parse_output(good + b"\nEDGEENV_METRICS_JSON=" + noise.replace(b"{", b"") + b"\n")


@pytest.mark.parametrize(
    ("body", "changes", "message"),
    [
        ("echo no such model >&2; exit 7", {}, "ended with exit code 7: no such model"),
        ("kill -SEGV $$", {}, "was ended by SIGSEGV"),
        ("sleep 60 & sleep 60", {"timeout_seconds": 0.2}, "did not end within timeout_seconds, 0.2"),
        ("", {"command": "no-such-program"}, "cannot be started: no-such-program: No such file"),
        ("", {"working_directory": "nowhere"}, "cannot be started: nowhere"),
    ],
)
def test_a_command_that_fails_says_why_and_the_earlier_figures_stay(prepare, tmp_path, body, changes, message):
    report_benchmark(prepare(say(line("METRICS", METRICS))), tmp_path)
    place = tmp_path / "results/runs/squeeze-bench/edgeenv/desk/fp32/reported.json"
    before = place.read_text()
    with pytest.raises(CommandFailed, match=message):
        report_benchmark(prepare(body, **changes), tmp_path)
    assert place.read_text() == before and len(list_attempts(place.parent)) == 2


def test_a_command_whose_time_is_over_leaves_no_process(prepare, tmp_path):
    benchmark = prepare("sh -c 'echo $$ > child; exec sleep 60' & sleep 60", timeout_seconds=0.5)
    with pytest.raises(CommandFailed, match="did not end within"):
        report_benchmark(benchmark, tmp_path)
    assert wait_for_end(int((tmp_path / "child").read_text()))


def wait_for_end(pid):
    """Return whether a process ends: the kernel may need a moment to carry out a kill on a busy machine."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    return bool(select.select([handle], [], [], 30)[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command": "sh 'bench.sh"}, "No closing quotation"),
        ({"command": "   "}, "names no program"),
        ({"extra_env": {"EDGEENV_PRECISION": "x"}}, r"extra_env\.EDGEENV_PRECISION"),
        ({"extra_env": {"lower": "x"}}, "extra_env"),
        ({"repeat_runs": 0}, "repeat_runs"),
        ({"input_shape": []}, "input_shape"),
        ({"warm_runs": 3}, "warm_runs"),
        ({"name": "???"}, "no letter or digit"),
    ],
)
def test_mistakes_in_the_files_are_one_line(prepare, changes, message):
    with pytest.raises(UserError, match=message) as caught:
        prepare(**changes)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="target_type"):
        prepare(target={"target_type": "ssh"})


def test_the_fake_target_gives_its_figures(prepare, tmp_path):
    document = report_benchmark(prepare("exit 1", target={"target_type": "fake"}, batch_size=4), tmp_path)
    metrics = document["run"]["metrics"]
    mean = metrics["latency_mean_ms"]
    assert 12 <= mean < 13 and document["provenance"] == "simulated"
    others = [metrics[f"latency_{name}_ms"] - mean for name in ("p50", "p95", "p99")]
    assert others == pytest.approx([-0.35, 1.75, 2.5]) and metrics["throughput_fps"] == pytest.approx(4000 / mean)
    assert (
        report_benchmark(prepare(target={"target_type": "fake"}, batch_size=4), tmp_path)["run"]["metrics"] == metrics
    )


def test_figures_that_the_output_does_not_give_are_refused(prepare, tmp_path):
    report_benchmark(prepare(say(line("METRICS", METRICS))), tmp_path)
    place = tmp_path / "results/runs/squeeze-bench/edgeenv/desk/fp32/reported.json"
    document = json.loads(place.read_text())
    document["run"]["metrics"]["latency_mean_ms"] = 1.0
    place.write_text(json.dumps(seal(document)))
    with pytest.raises(UserError, match=r"run\.metrics\.latency_mean_ms is 1\.0, the output of its command give"):
        read_reported(place, tmp_path)
    printed = next(place.parent.glob("attempts/*/stdout.txt"))
    printed.write_text(line("METRICS", METRICS | {"latency_mean_ms": 1.0}))
    with pytest.raises(UserError, match=r"stdout\.txt: its sha256 is not the one in attempt\.json"):
        read_reported(place, tmp_path)


# As tegrastats prints them on an Orin Nano; 4 W before the command, then 8 W.
TEGRASTATS = """
line() { echo "05-07-2026 10:00:00 RAM 1000/7620MB (lfb 1x1MB) cpu@40C gpu@$2C VDD_IN $1mW/$1mW"; }
line 4000 30
while [ ! -e running ]; do sleep 0.01; done
while true; do line 8000 45; sleep 0.01; done
"""


def test_the_sampler_of_a_target_profile_is_ours_and_counts_while_the_command_runs(prepare, tmp_path):
    tool = tmp_path / "tegrastats"
    tool.write_text(f"#!/bin/sh{TEGRASTATS}")
    tool.chmod(0o755)
    block = {"name": "jetson-tegrastats", "tegrastats_path": str(tool), "interval_ms": 10, "startup_wait_ms": 0}
    said = line("METRICS", METRICS) + line("RESOURCE_METRICS", {"power_mean_w": 1.0, "source": "guess"})
    benchmark = prepare(f"touch running; sleep 2\n{say(said)}", target={"sampler": block})
    document = report_benchmark(benchmark, tmp_path)
    resources = document["run"]["resource_metrics"]
    assert resources["source"] == "tegrastats" and document["sampler"]["samples"] > 3
    assert 7 < resources["power_mean_w"] < 8 + 1e-9 and resources["temperature_peak_c"] == 45
    place = tmp_path / "results/runs/squeeze-bench/edgeenv/desk/fp32/reported.json"
    assert read_reported(place, tmp_path) == json.loads(place.read_text())


def prepare_without_sampler(prepare, required):
    block = {
        "name": "jetson-tegrastats",
        "tegrastats_path": "no-tegrastats",
        "required": required,
        "startup_wait_ms": 0,
    }
    return prepare(f"touch ran\n{say(line('METRICS', METRICS))}", target={"sampler": block})


def test_a_required_sampler_that_is_not_there_fails_the_run(prepare, tmp_path):
    with pytest.raises(CommandFailed, match="no-tegrastats: cannot be started"):
        report_benchmark(prepare_without_sampler(prepare, True), tmp_path)
    assert not (tmp_path / "ran").exists()  # before the command


def test_an_optional_one_leaves_its_reason(prepare, tmp_path):
    document = report_benchmark(prepare_without_sampler(prepare, False), tmp_path)
    assert document["sampler"]["samples"] == 0 and "cannot be started" in document["sampler"]["reason"]
    assert "resource_metrics" not in document["run"]


def judge(left, right, policy):
    documents = read_yaml(ROOT / f"config/policies/{policy}.yaml", "policy")
    return judge_reported(
        left, right, policy, documents, read_yaml(ROOT / "config/regressions/edgeenv-v1.yaml", "regression-policy")
    )


def test_edgeenv_judges_to_the_letter_and_strict_never_says_yes(prepare, tmp_path):
    left = report_benchmark(prepare(say(line("METRICS", METRICS))), tmp_path)
    slower = METRICS | {"latency_mean_ms": 14.375, "throughput_fps": 70.0}  # + 15 %, - 12.5 %
    right = report_benchmark(prepare(say(line("METRICS", slower))), tmp_path)
    judged = judge(left, right, "edgeenv-v1")
    assert (judged["verdict"], judged["mode"], judged["regression"]) == ("yes", "same-condition", "regression")
    report = judged["edgeenv"]["report"]
    assert [item["name"] for item in report["evidence"]["triggered_thresholds"]] == ["mean_latency_review"]
    assert (report["severity"], report["recommendation"]) == ("medium", "review_required")
    assert report["baseline_run_id"] == left["run"]["run_id"]
    strict = judge(left, right, "strict")
    assert strict["verdict"] == "no" and strict["edgeenv"] is None
    assert {"model_bytes", "agent_hash"} <= {reason["field"] for reason in strict["reasons"]}
    loose = read_yaml(ROOT / "config/policies/edgeenv-v1.yaml", "policy")
    assert judge_reported(left, right, "mine", loose, {})["verdict"] == "conditional"


def test_the_verb_says_in_one_line_what_failed(prepare, tmp_path, capsys):
    prepare("exit 3")
    call = ["from-edgeenv", "config.yaml", "target.yaml"]
    assert run(lambda argv: runs(argv, tmp_path), call) == 1
    streams = capsys.readouterr()
    assert streams.out == "" and streams.err.count("\n") == 1 and "ended with exit code 3" in streams.err
    assert run(lambda argv: runs(argv, tmp_path), [*call, "--check"]) == 0
    assert "as EdgeEnv wants them" in capsys.readouterr().out
    prepare(say(line("METRICS", METRICS)))
    assert run(lambda argv: runs(argv, tmp_path), call) == 0
    assert "mean 12.5 ms" in capsys.readouterr().out
    (tmp_path / "config").symlink_to(ROOT / "config")
    name = "squeeze-bench/desk/fp32"
    assert run(lambda argv: runs(argv, tmp_path), ["judge-edgeenv", name, name]) == 0
    assert "no-regression: none, severity low, no_action_required" in capsys.readouterr().out
