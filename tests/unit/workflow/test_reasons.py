"""`edgeproof runs why`: what differs from today's key, what would run, and whether that takes device time."""

import json
from pathlib import Path

import pytest
from edgeproof.__main__ import main
from edgeproof.bench.made_up_cells import write_cell
from edgeproof.core.attempts import open_attempt
from edgeproof.core.errors import UserError
from edgeproof.core.job_key import place_of, record_key
from edgeproof.core.job_options import JobKey
from edgeproof.core.layout import Cell
from edgeproof.workflow.attempt_keys import find_device_time
from edgeproof.workflow.job_graph import list_downstream, list_jobs, list_upstream
from edgeproof.workflow.workflow_reading import read_workflow

NAME = "digits-cnn/ort-cpu/local/fp32"
RUN = f"results/runs/{NAME}/result.json"
MANIFEST = "results/artifacts/digits-cnn/ort-cpu/host/fp32/manifest.json"


@pytest.fixture
def made(root):
    """The root with a document for every job of the demo, each with today's key; return the jobs."""
    jobs = list_jobs(read_workflow(["config/config.yaml"]).keys)
    for document, job in jobs.items():
        Path(document).parent.mkdir(parents=True, exist_ok=True)
        Path(document).write_text(f"{{}} {document}")
        record_key(JobKey(job.key, document))
    return jobs


def ask(root, capsys, *words):
    code = main(["runs", "why", *words, "--json"], root)
    found = json.loads(capsys.readouterr().out)
    assert main(["runs", "why", *words], root) == code
    return code, found, capsys.readouterr().out


def edit(path, old, new):
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def test_nothing_differs(root, made, capsys):
    code, found, text = ask(root, capsys, NAME)
    assert code == 0 and found["status"] == "same" and found["runs"] == [] and "made by today's" in text


def test_a_key_that_is_missing_is_told_with_the_option_that_makes_it_again(root, made, capsys):
    place_of(RUN).unlink()
    code, found, text = ask(root, capsys, RUN)
    assert code == 1 and found["status"] == "missing" and found["keyless"] == [RUN]
    assert f"add to your command: --forcerun {RUN}\n" in text
    Path(RUN).unlink()
    assert ask(root, capsys, RUN)[1]["keyless"] == []  # Snakemake sees that by itself


def test_threads_of_a_preset_run_its_cells_and_what_follows(root, made, capsys):
    edit("config/presets/ort-cpu.yaml", "intra_op_threads: 0", "intra_op_threads: 1")
    code, found, text = ask(root, capsys, RUN)
    assert code == 1 and found["status"] == "differs"
    assert found["differences"] == [{"part": "arm.runtime.intra_op_threads", "old": 0, "new": 1}]
    assert "arm.runtime.intra_op_threads: 0 → 1" in text
    assert RUN in found["runs"] and "results/comparability/demo/digits-aa/report.json" in found["runs"]
    assert "results/runs/digits-cnn/ort-cpu/local/int8/result.json" not in found["runs"]
    assert "results/evidence/demo/gate.json" in found["runs"]


def test_what_differs_above_a_document_is_named(root, made, capsys):
    edit("config/presets/ort-cpu.yaml", "calibration_samples: 200", "calibration_samples: 201")
    code, found, text = ask(root, capsys, "digits-fp32-vs-int8")
    assert code == 1 and found["status"] == "follows" and "above it" in text
    built = "results/artifacts/digits-cnn/ort-cpu/host/int8/manifest.json"
    assert found["upstream"] == {built: [{"part": "preset.build.calibration_samples", "old": 200, "new": 201}]}
    measured = found["devices"]["results/runs/digits-cnn/ort-cpu/local/int8/result.json"]
    assert measured["status"] == "unknown" and "is made first" in measured["why"]


def test_a_document_that_was_changed_has_no_key(root, made, capsys):
    Path(RUN).write_text("edited")
    code, found, text = ask(root, capsys, f"results/runs/{NAME}/samples.csv")
    assert code == 1 and found["status"] == "missing" and "changed since" in text


def test_a_parity_limit_takes_no_device_time_where_the_attempts_are_kept(root, capsys):
    write_cell(**Cell(*NAME.split("/"))._asdict())
    samples = Path("results/sources/digits-cnn/samples/evaluation.npz")
    samples.parent.mkdir(parents=True, exist_ok=True)
    for path in (samples, Path(MANIFEST).with_name("artifact.onnx")):
        path.write_bytes(b"made up")
    reading = read_workflow(["config/config.yaml"])
    job = list_jobs(reading.keys)[RUN]
    assert find_device_time(RUN, job, reading.keys).status == "needed"
    key = compose_todays_key(job, reading)
    with open_attempt(Path(RUN).parent, "session", key, {"id": None, "board": None, "cpu": None}) as attempt:
        attempt.complete(samples={}, session="")
    told = find_device_time(RUN, job, reading.keys)
    assert told.status == "kept" and len(told.attempts) == 1
    edit("config/protocols/quick.yaml", "warmup_runs: ", "warmup_runs: 1")
    reading = read_workflow(["config/config.yaml"])
    assert find_device_time(RUN, list_jobs(reading.keys)[RUN], reading.keys).status == "needed"


def compose_todays_key(job, reading):
    """Return the key of a session as the run itself composes it."""
    from edgeproof.runs.sessions import SessionSetup, compose_session_key

    cell = Cell(*NAME.split("/"))
    artifact = reading.keys.cells.artifact_of(cell)
    inputs = f"results/sources/{cell.model}/samples/evaluation.npz"
    setup = SessionSetup(inputs, job.key["device"], job.key["protocol"], "python")
    arms = {"candidate": {**job.key["arm"], "artifact": artifact}}
    return compose_session_key(arms, ["candidate"] * job.key["protocol"]["processes"], setup)


def test_a_name_that_no_campaign_file_knows_is_one_line(root, made):
    with pytest.raises(UserError, match=r"fp31: no job of the campaign demo makes it; did you mean"):
        main(["runs", "why", "digits-cnn/ort-cpu/local/fp31"], root)


def test_another_campaign_is_named_by_its_files(root, capsys):
    code, found, _ = ask(root, capsys, "fake-aa", "--configfile", "config/fake.yaml")
    assert code == 1 and found["document"] == "results/comparability/fake/fake-aa/decision.json"


@pytest.mark.parametrize(
    "name", ["config", "fake", "fake-pipeline", "fake-adaptation", "pipeline-demo", "runtimes", "tensorrt", "rpi"]
)
def test_each_job_comes_after_what_it_reads(root, name):
    jobs = list_jobs(read_workflow(["config/config.yaml", f"config/{name}.yaml"]).keys)
    seen = set()
    for document, job in jobs.items():
        assert set(job.reads) <= seen, document
        seen.add(document)
    report = next(document for document in jobs if document.endswith("report.html"))
    assert set(list_upstream(jobs, report)) | {report} >= seen - {report.replace("report.html", "gate.json")}
    assert list_downstream(jobs, [next(iter(jobs))])[-1].endswith("gate.json")
