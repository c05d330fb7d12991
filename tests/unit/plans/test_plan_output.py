"""Where plans go and come from: files, links, pipes, devices, standard streams, and signals that end a search."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from edgeproof.bench.scenario_families import draw_crowded_graph
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.program_start import run
from edgeproof.plans.cli import main
from edgeproof.plans.plan_output import check_output, write_output

from ...signals import heed_signals

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
OPTIONS = {"cwd": SCRIPTS, "preexec_fn": heed_signals, **PIPES}


def test_a_file_is_written_and_folders_are_made(tmp_path):
    path = tmp_path / "a" / "plan.txt"
    write_output(str(path), "text")
    assert path.read_text() == "text"


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write_output(str(tmp_path / "link"), "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"
    (tmp_path / "gone").symlink_to("nothing")
    with pytest.raises(UserError, match="a link to a file that does not exist"):
        check_output(str(tmp_path / "gone"))


def test_a_read_only_file_and_a_folder_are_refused(tmp_path):
    path = tmp_path / "kept"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(UserError, match="read-only"):
        write_output(str(path), "new")
    assert path.read_text() == "old"
    with pytest.raises(UserError, match="Is a directory"):
        write_output(str(tmp_path), "new")


def test_a_pipe_and_a_device_are_written_to(tmp_path):
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
    reader.start()
    write_output(str(pipe), "plan")
    reader.join()
    assert found == ["plan"] and pipe.is_fifo()
    write_output("/dev/null", "plan")
    assert Path("/dev/null").is_char_device()


def test_standard_streams(two_stages, capsys, monkeypatch, tmp_path):
    source = tmp_path / "scenario.json"
    source.write_text(json.dumps(two_stages))
    assert run(main, ["solve", str(source), "--goal", "min-latency", "--output", "-", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "optimal"
    command = [sys.executable, "-m", "edgeproof", "plans", "solve", "-", "--goal", "min-latency", "--json"]
    done = subprocess.run(command, input=json.dumps(two_stages), capture_output=True, text=True, cwd=SCRIPTS)
    assert json.loads(done.stdout)["scenario"]["source"] is None, done.stderr


@pytest.fixture
def long_search(tmp_path):
    """The arguments of a search that takes minutes."""
    path = tmp_path / "large.json"
    path.write_text(json.dumps(draw_crowded_graph(1, 60, 5)))
    return [sys.executable, "-u", "-m", "edgeproof", "plans", "solve", str(path), "--effort", "6000"]


@pytest.mark.campaign
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_search_with_the_best_plan_that_output_asks_for(number, code, long_search, tmp_path):
    output = tmp_path / "plan.json"
    command = [*long_search, "--json", "--output", str(output)]
    with subprocess.Popen(command, **OPTIONS) as process:
        assert "best" in process.stderr.readline()  # a plan was found
        process.send_signal(number)
        _, told = process.communicate(timeout=20)
    assert process.returncode == code and "the best plan so far was written" in told
    document = read_json(output, "plan")
    ended = {"gap": "interruption", "optimal": "proof"}  # a fast machine has proved the best, and searches for the next
    assert document["certificate"]["ended_by"] == ended[document["status"]]


@pytest.mark.campaign
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_without_output_prints_no_plan(number, code, long_search):
    with subprocess.Popen(long_search, **OPTIONS) as process:
        assert "best" in process.stderr.readline()
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == code and out == ""


def test_a_time_limit_ends_with_what_there_is(tmp_path, capsys):
    path = tmp_path / "large.json"
    path.write_text(json.dumps(draw_crowded_graph(1, 40, 4)))
    code = run(main, ["solve", str(path), "--time-limit", "1", "--json"])
    document = json.loads(capsys.readouterr().out)
    ended = {"optimal": "proof", "gap": "time limit", "unknown": "time limit"}
    assert document["certificate"]["ended_by"] == ended[document["status"]]
    assert code == (0 if document["status"] == "optimal" else 3)


def test_control_characters_are_escaped(two_stages, tmp_path, capsys):
    two_stages["name"] = "a\x1b[2Jb\u202e"
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(two_stages))
    for form in ("text", "csv", "html", "pareto-csv"):
        run(main, ["solve", str(path), "--goal", "min-latency", "--format", form])
        shown = capsys.readouterr().out
        assert "\x1b" not in shown and "\u202e" not in shown
    two_stages["constraints"] = {"max_total_latency_ms": 1}
    path.write_text(json.dumps(two_stages))
    run(main, ["solve", str(path), "--goal", "min-latency"])
    told = capsys.readouterr().err
    assert "\\x1b[2Jb" in told and "\x1b" not in told
    assert "max_total_latency_ms 1: would need 8.5" in told


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (int("9" * 400), "is a number of 400 digits"),
        (5e6, r"stages\[0\].profiles.cpu.latency_ms is 5e\+06; plans count up to 4e\+06"),
        (1.2345e-6, "plans count in steps of 1e-09"),
    ],
)
def test_numbers_that_cannot_be_counted_are_refused_by_file_and_key(value, words, two_stages, tmp_path, capsys):
    two_stages["stages"][0]["profiles"]["cpu"]["latency_ms"] = value
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(two_stages))
    assert run(main, ["solve", str(path), "--goal", "min-latency"]) == 2
    told = capsys.readouterr().err
    assert str(path) in told
    assert re.search(words, told)


def test_a_microsecond_fraction_that_fits_is_right(two_stages, tmp_path, capsys):
    two_stages["stages"][0]["profiles"] = {"npu": {"latency_ms": 1e-6, "energy_mj": 1}}
    two_stages["stages"][1]["profiles"] = {"npu": {"latency_ms": 2e-6, "energy_mj": 1}}
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(two_stages))
    assert run(main, ["solve", str(path), "--goal", "min-latency", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["plans"][0]["total_latency_ms"] == pytest.approx(3e-6)


def test_progress_goes_to_standard_error():
    from edgeproof.plans import plan_verbs

    stream = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        plan_verbs._tell_progress(3.2, 10.0, 9.5)
    assert stream.getvalue() == "3 s: best 10, bound 9.5, gap 5.00%\n"
