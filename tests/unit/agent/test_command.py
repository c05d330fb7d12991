"""Programs of the user's own: the protocol with a program whose times are written down, and the shipped example."""

import json
import os
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from edgeproof.agent.backends.command import Command
from edgeproof.agent.failures import NoVerdict, Verdict
from edgeproof.agent.looping import time_samples
from edgeproof.agent.measurement import measure_process

from .pair_specs import PROTOCOL, describe_session, load, measure

ROOT = Path(__file__).resolve().parents[3]
# Every call of input i takes 1000 + 100 i ns times FACTOR; outputs are [1, 2].
PROGRAM = """
import json, os, sys
import numpy
factor = int(os.environ.get("FACTOR", "1"))
print("loading", flush=True)
with open("seen.json", "w") as seen:
    json.dump(dict(os.environ), seen)
print(json.dumps({"ready": True, "version": "7.1"}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if "outputs" in asked:
        numpy.savez(asked["outputs"], **{"outputs/y": numpy.array([[1.0, 2.0]], "float32")})
    print(json.dumps({"ns": [factor * (1000 + 100 * row) for row in asked.get("block", [])]}), flush=True)
"""


@pytest.fixture
def arm(tmp_path):
    """A function that returns an arm which runs a program, given as Python source."""

    def make(source=PROGRAM, **runtime):
        (tmp_path / "program.py").write_text(source)
        (tmp_path / "model.onnx").write_bytes(b"model")
        command = f"{shlex.quote(sys.executable)} program.py"
        options = {"command": command, "working_directory": str(tmp_path), "timeout_s": 30, **runtime}
        variables = {"BENCHMARK_NAME": "m/command/d/fp32", "MODEL_NAME": "m", "TARGET_NAME": "d"}
        artifact = str(tmp_path / "model.onnx")
        return {
            "backend": "command",
            "precision": "fp32",
            "artifact": artifact,
            "runtime": options,
            "variables": variables,
        }

    return make


@pytest.fixture
def start(arm, tmp_path):
    """A function that starts a program, and ends it after the test."""
    started = []

    def make(source=PROGRAM, **runtime):
        np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((4, 4), "float32")})
        backend = Command(arm(source, **runtime))
        started.append(backend)
        backend.begin(str(tmp_path / "inputs.npz"), PROTOCOL)
        return backend

    yield make
    for backend in started:
        backend.end()


def test_a_process_asks_its_inputs_in_turn_and_keeps_times_and_outputs(tmp_path, arm):
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((3, 4), "float32")})
    spec = {
        "arm": arm(extra_env={"FACTOR": "2"}),
        "inputs": str(tmp_path / "inputs.npz"),
        "protocol": PROTOCOL,
        "slot": 0,
    }
    measure_process(spec, str(tmp_path))
    report = json.loads((tmp_path / "process.json").read_text())
    assert (report["status"], report["provenance"], report["inputs"]) == ("ok", "measured", 3)
    assert report["runtime"]["name"] == "command" and report["runtime"]["version"] == "7.1"
    assert report["cold_first_inference_ns"] == 2000 and report["memory_peak_bytes"] > 5e6
    np.testing.assert_array_equal(np.load(tmp_path / "samples.npy"), [2000, 2200, 2400] * 6 + [2000, 2200])
    np.testing.assert_array_equal(np.load(tmp_path / "inputs.npy"), [0, 1, 2] * 6 + [0, 1])
    assert np.load(tmp_path / "outputs.npz")["outputs/y"].tolist() == [[1.0, 2.0]]


def test_a_program_gets_the_variables_of_the_contract_and_none_of_ours(tmp_path, start):
    start(extra_env={"MY_FLAG": "1", "EDGEENV_PRECISION": "int8"})
    seen = json.loads((tmp_path / "seen.json").read_text())
    given = {name.removeprefix("EDGEENV_"): value for name, value in seen.items() if name.startswith("EDGEENV_")}
    assert given == {
        "BENCHMARK_NAME": "m/command/d/fp32", "MODEL_NAME": "m", "TARGET_NAME": "d", "RUNTIME": "command",
        "MODEL_PATH": str(tmp_path / "model.onnx"), "EXECUTION_PROVIDER": "CPUExecutionProvider", "PRECISION": "fp32",
        "BATCH_SIZE": "1", "WARMUP_RUNS": "5", "REPEAT_RUNS": "20", "INCLUDE_PREPROCESS": "false",
        "INCLUDE_POSTPROCESS": "false",
    }  # fmt: skip
    assert seen["MY_FLAG"] == "1" and seen["EDGEPROOF_INPUTS"] == str(tmp_path / "inputs.npz")
    assert "PYTHONPATH" not in seen


def test_two_programs_take_turns_by_blocks(tmp_path, arm):
    spec = describe_session(tmp_path)
    spec["arms"] = {"left": arm(), "right": arm(extra_env={"FACTOR": "3"})}
    spec["budget"] = {"pairs": 1, "seconds": None}
    record, (pair,) = measure(tmp_path, spec)
    assert record["interleaving"] == {"mode": "blocks", "reason": None} and pair["status"] == "ok"
    (left, right), inputs = load(tmp_path, 0, "blocks"), load(tmp_path, 0, "inputs")
    np.testing.assert_array_equal(left, 1000 + 100 * inputs.astype("int64"))
    np.testing.assert_array_equal(right, 3 * left)
    assert (load(tmp_path, 0, "alone") > 0).all()
    pids = [json.loads(line) for line in (tmp_path / "out/progress.jsonl").read_text().splitlines()]
    assert any(event["event"] == "live" for event in pids)


def test_a_sample_may_span_several_calls_after_some_untimed_ones(start):
    backend = start()
    np.testing.assert_array_equal(time_samples(backend, [0, 2], 5, 3), [3000, 3600])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("{}", "answered None, and `ns`"),
        ('{"ns": [1]}', r"answered \[1\], and `ns`"),
        ('{"ns": [1, 0]}', "one positive integer per input"),
        ('{"ns": [1, 2.5]}', "one positive integer per input"),
        ('{"ns": [1, true]}', "one positive integer per input"),
        ('{"ns": ', "a line of JSON was asked for"),
    ],
)
def test_an_answer_of_another_shape_is_no_verdict(start, answer, message):
    loop = f"import sys\nfor line in sys.stdin:\n    print({answer!r}, flush=True)"
    source = f"print('{{\"ready\": true}}', flush=True)\n{loop}"
    backend = start(source)
    with pytest.raises(NoVerdict, match=message) as caught:
        backend.time_block([0, 1])
    assert caught.value.kind == "malformed_answer"


def test_a_program_that_ends_hangs_or_is_not_there_says_so(start):
    with pytest.raises(Verdict, match="ended with exit code 3"):
        start("raise SystemExit(3)")
    with pytest.raises(NoVerdict, match=r'and \{"ready": true\} was asked for'):
        start("print('{}', flush=True)\nimport sys\nsys.stdin.read()")
    backend = start("print('{\"ready\": true}', flush=True)\nimport sys\nsys.stdin.readline()\nimport os\nos.abort()")
    with pytest.raises(Verdict, match="ended by SIGABRT"):
        backend.time_block([0])
    with pytest.raises(Verdict, match=r"no answer within 0\.2 s"):
        start("import time\ntime.sleep(30)", timeout_s=0.2)
    with pytest.raises(NoVerdict, match="no-such-program: cannot be started"):
        start(command="no-such-program")


def test_an_accelerator_is_measured_as_whole_processes(arm):
    assert Command.find_obstacle(arm()) is None
    assert "runs on an accelerator" in Command.find_obstacle(arm(execution_provider="AcmeExecutionProvider"))


def test_a_program_is_stopped_while_the_other_arm_runs(start):
    backend = start()
    backend.time_block([0])
    process = backend._running()
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert backend.time_block([1]).tolist() == [1100]


def test_the_shipped_example_is_the_one_of_the_page_and_runs(tmp_path, tiny_model):
    example = ROOT / "config/commands/loop.py"
    assert f"```python\n{example.read_text()}```" in (ROOT / "docs/runs.md").read_text()
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.arange(8, dtype="float32").reshape(2, 4) - 2})
    runtime = {"command": shlex.join([sys.executable, str(example)])}
    arm = {"backend": "command", "precision": "fp32", "artifact": tiny_model, "runtime": runtime}
    spec = {"arm": arm, "inputs": str(tmp_path / "inputs.npz"), "protocol": PROTOCOL, "slot": 0}
    measure_process(spec, str(tmp_path))
    assert json.loads((tmp_path / "process.json").read_text())["status"] == "ok"
    assert (np.load(tmp_path / "samples.npy") > 0).all()
    np.testing.assert_array_equal(np.load(tmp_path / "outputs.npz")["outputs/y"], [[0, 0, 1, 2]])
