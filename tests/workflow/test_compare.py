"""`edgeproof compare` for real: a verdict, its exit code, what Ctrl-C keeps, and who holds the folder."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest

from ..signals import heed_signals

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]

FP32 = "digits-cnn/fake-2t/local/fp32"  # whose pairs the built campaign has not measured


def command(workspace, *arguments):
    program = f"import sys; sys.path.insert(0, {str(workspace.root / 'scripts')!r}); "
    program += (
        "from edgeproof.__main__ import main; from edgeproof.core.program_start import run_program; run_program(main)"
    )
    return [sys.executable, "-c", program, "compare", *arguments]


def compare(workspace, *arguments):
    """Run the verb here; return the completed process."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHONPATH")}
    return subprocess.run(
        command(workspace, *arguments), cwd=workspace.root, env=environment, text=True, capture_output=True
    )


def read_report(workspace, document):
    return json.loads((workspace.root / document["report"]).with_suffix(".json").read_text())


def test_a_verdict_its_cost_and_its_evidence(workspace):
    done = compare(workspace, FP32, "int8", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert re.fullmatch(r"int8 is 2\.\d+ times as fast as fp32 \(.*\), .* s, \d pairs\.", document["sentence"])
    assert re.search(r"^4 pairs, .* s: int8 is 2\.\d+ times as fast as fp32", done.stderr, re.M)
    assert "rule " not in done.stderr and "Snakemake" not in done.stderr
    assert (workspace.root / document["page"]).is_file()
    report = read_report(workspace, document)
    (attempt,) = (session["attempt"] for session in report["sessions"])
    lines = (workspace.root / attempt / "estimates.jsonl").read_text().splitlines()
    assert len(lines) == report["pairs"] and json.loads(lines[-1])["ratio"] == report["effect"]["ratio"]
    assert document["pairs_kept"] == 0 and document["seconds"]["measuring_pairs"] > 0
    again = json.loads(compare(workspace, FP32, "int8", "--json").stdout)
    assert (again["sentence"], again["pairs_kept"]) == (document["sentence"], report["pairs"])
    spent = {name: seconds for name, seconds in again["seconds"].items() if name != "all"}
    assert spent == {"building": 0, "measuring_alone": 0, "measuring_pairs": 0}


def test_what_is_open_is_3_and_goes_on_and_what_may_not_be_compared_is_1(workspace):
    first = compare(workspace, FP32, FP32, "--within", "1s", "--json")
    assert first.returncode == 3, first.stderr
    second = compare(workspace, FP32, FP32, "--within", "1s", "--json")
    assert json.loads(second.stdout)["pairs"] > json.loads(first.stdout)["pairs"]
    refused = compare(workspace, FP32, "diabetes-mlp")
    assert refused.returncode == 1, refused.stderr
    assert refused.stdout.startswith("Not comparable: digits-cnn and diabetes-mlp differ in")
    assert "Traceback" not in refused.stderr


def test_two_versions_of_a_model_file(workspace):
    shutil.copy(workspace.root / "config/models/digits-cnn.onnx", workspace.root / "old.onnx")
    program = "import onnx; m = onnx.load('old.onnx'); m.producer_version = '2'; onnx.save(m, 'new.onnx')"
    subprocess.run([sys.executable, "-c", program], cwd=workspace.root, check=True)
    done = compare(workspace, "old.onnx", "new.onnx", "--preset", "fake", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["verdict"]) == (0, "equivalent"), done.stderr
    assert (document["left"], document["right"]) == ("digits-cnn/fake/local/fp32", "new/fake/local/fp32")
    assert [reason["field"] for reason in document["reasons"]] == ["model_hash"]


def test_ctrl_c_keeps_the_pairs_and_the_next_call_goes_on(workspace):
    pipes = {"text": True, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command(workspace, FP32, FP32), cwd=workspace.root, preexec_fn=heed_signals, **pipes)
    for line in process.stderr:
        if line.startswith("1 pair, "):
            process.send_signal(signal.SIGINT)
            break
    rest = process.stderr.read()
    assert process.wait() == 130
    kept = int(re.search(r"Interrupted: (\d+) pairs? kept", rest)[1])
    assert kept >= 1
    done = compare(workspace, FP32, FP32, "--json")
    assert done.returncode == 0, done.stderr
    report = read_report(workspace, json.loads(done.stdout))
    assert next(session["pairs"] for session in report["sessions"]) == kept
    assert len(report["sessions"]) == 2 and report["verdict"] == "equivalent"


def test_a_folder_in_use_is_one_line_with_its_holder(workspace):
    workspace.edit("scripts/identify_model.py", "def main(argv):\n", "def main(argv):\n    input()\n")
    holder = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--profile", "local", "--configfile", "config/fake.yaml",
         "--forcerun", "identify_model", "--config", "campaign=held"],
        cwd=workspace.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        next(line for line in holder.stdout if "Reading what digits-cnn is" in line)
        done = compare(workspace, FP32, "int8")
        assert done.returncode == 2
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert f"process {holder.pid} works in this folder" in line and "snakemake" in line
    finally:
        os.killpg(holder.pid, signal.SIGKILL)
        holder.wait()
