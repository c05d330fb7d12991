"""A program of the user's own as a cell and as both sides of a comparison; EdgeEnv's files; through the workflow."""

import json
import sys

import pytest
import yaml

from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.campaign

CAMPAIGN = """\
campaign: own
protocol: quick
policy: strict
devices: [local]
matrices:
  - {models: [digits-cnn], presets: [mine], precisions: [fp32, int8]}
comparisons:
  - name: precisions
    left: {model: digits-cnn, preset: mine, precision: fp32}
    right: {precision: int8}
    varies: [precision]
    pairs: 4
gate: {tolerate: [throttled]}
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """The campaign of a program, measured."""
    workspace = copy_repository(tmp_path_factory.mktemp("own") / "edgeproof")
    preset = yaml.safe_load((workspace.root / "config/presets/command.yaml").read_text())
    preset["runtime"]["command"] = f"'{sys.executable}' config/commands/loop.py"
    workspace.write("config/presets/mine.yaml", yaml.safe_dump(preset))
    workspace.write("config/own.yaml", CAMPAIGN)
    done = workspace.snakemake("--replace-workflow-config", config="config/own.yaml")
    assert done.returncode == 0, done.stdout
    return workspace


def read(workspace, path):
    return json.loads((workspace.root / "results" / path).read_text())


def test_its_cells_have_samples_outputs_and_a_boundary_of_their_own(workspace):
    result = read(workspace, "runs/digits-cnn/mine/local/int8/result.json")
    assert result["status"] == "ok" and result["provenance"] == "measured" and result["accelerator"] is None
    assert result["runtime"]["name"] == "command" and result["output_check"]["passed"]
    assert result["latency_definition"]["boundary"] == "one inference as the user's own program times it"
    assert result["inputs"]["count"] > 1 and result["latency"]["interval_low_ms"] < result["latency"]["median_ms"]
    assert result["memory_peak_bytes"] > 20e6  # the program's, and not the agent's


def test_its_pairs_take_turns_by_blocks_and_end_in_a_verdict(workspace):
    report = read(workspace, "comparability/own/precisions/report.json")
    assert report["verdict"] in ("faster", "slower", "equivalent", "undecided")
    assert {session["interleaving"]["mode"] for session in report["sessions"]} == {"blocks"}


def test_an_edit_of_the_program_measures_again_and_nothing_else_does(workspace):
    again = ("-n", "--replace-workflow-config")
    assert "Nothing to be done" in workspace.snakemake(*again, config="config/own.yaml").stdout
    workspace.edit("config/commands/loop.py", "import json\n", "import json  # edited\n")
    planned = workspace.snakemake(*again, config="config/own.yaml").stdout
    assert "measure_run" in planned and "measure_pairs" in planned and "build_onnx" not in planned


def test_edgeenv_s_files_run_from_the_shell(workspace):
    program = "import os; print('EDGEENV_METRICS_JSON=' + os.environ['FIGURES'])"
    figures = {f"latency_{name}_ms": 2.0 for name in ("mean", "p50", "p95", "p99")} | {"throughput_fps": 500.0}
    config = yaml.safe_load((workspace.root / "tests/data/edgeenv/edgeenv-benchmark.yaml").read_text())
    config |= {"command": f"'{sys.executable}' -c \"{program}\"", "extra_env": {"FIGURES": json.dumps(figures)}}
    workspace.write("bench.yaml", yaml.safe_dump(config))
    ended = workspace.edgeproof("runs", "from-edgeenv", "bench.yaml", "tests/data/edgeenv/edgeenv-target.yaml")
    assert ended.returncode == 0, ended.stdout
    run = read(workspace, "runs/squeeze-bench/edgeenv/desk/fp32/reported.json")["run"]
    assert run["schema_version"] == "edgeenv.result.v1" and run["metrics"]["throughput_fps"] == 500
    judged = workspace.edgeproof("runs", "judge-edgeenv", *["squeeze-bench/desk/fp32"] * 2)
    assert judged.returncode == 0 and judged.stdout.startswith("yes, same-condition (policy edgeenv-v1)")
    strict = workspace.edgeproof("runs", "judge-edgeenv", *["squeeze-bench/desk/fp32"] * 2, "--policy", "strict")
    assert strict.returncode == 1 and strict.stdout.startswith("no, ")
