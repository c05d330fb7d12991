"""Converted artifacts, SavedModels and engines come back by their key; no converter is started for them."""

import json

from edgeproof.artifacts.builds import build_keys, converter_scripts
from edgeproof.core.documents import read_json
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.program_start import run
from edgeproof.sources.identity import identify_model

from .stand_ins import write_trtexec
from .test_converted_artifacts import BUILD, facts, make_saved_model, place, use  # noqa: F401
from .test_scripts import load_main, options_of
from .test_tensorrt_engines import build as build_engine
from .test_tensorrt_engines import (
    read_calls,
    tools,  # noqa: F401
)


def forbid_converters(monkeypatch, module):
    def refuse(*_):
        raise AssertionError("no converter may be started")

    monkeypatch.setattr(module, "start_converter", refuse)


def read_files(*paths):
    return {path.name: path.read_bytes() for path in paths}


def test_a_converted_artifact_comes_back_with_its_log(place, monkeypatch, capsys):  # noqa: F811
    record = make_saved_model(place)
    folder, log = place.folder / "tflite", place.folder / "converter.log"
    options = {
        "cell": json.dumps({"model": "tiny", "preset": "litert-cpu", "builder": "host", "precision": "fp32"}),
        "source": place.source,
        "identity": place.identity,
        "preset": json.dumps({"backend": "litert", "artifact": "tflite", "build": BUILD}),
        "precision": "fp32",
        "toolchain": use(place, "tensorflow", facts()),
        "saved-model": record,
        "artifact": folder / "artifact.tflite",
        "manifest": folder / "manifest.json",
        "log": log,
    }
    main, files = load_main("build_converted"), (folder / "artifact.tflite", folder / "manifest.json", log)
    assert run(main, options_of(options)) == 0
    first = read_files(*files)
    for path in files:
        path.unlink()
    forbid_converters(monkeypatch, converter_scripts)
    assert run(main, options_of(options)) == 0
    assert read_files(*files) == first and first["converter.log"] == b"converting\n"
    assert "nothing is built" in capsys.readouterr().err


def saved_model_options(job, toolchain):
    return {
        "source": job.source,
        "identity": job.identity,
        "toolchain": toolchain,
        "artifact": job.folder / "saved_model.zip",
        "record": job.folder / "saved_model.json",
        "log": job.folder / "saved_model.log",
    }


def run_without_converter(monkeypatch, options):
    main = load_main("build_saved_model")
    monkeypatch.setitem(main.__globals__, "start_converter", None)
    return run(main, options_of(options))


def test_a_saved_model_comes_back(place, monkeypatch):  # noqa: F811
    record = make_saved_model(place)
    files = [record, record.with_suffix(".zip"), record.with_suffix(".log")]
    first = read_files(*files)
    for path in files:
        path.unlink()
    options = saved_model_options(place, place.folder / "results/toolchains/tensorflow.json")
    assert run_without_converter(monkeypatch, options) == 0
    assert read_files(*files) == first
    (place.folder / "attempts").rename(place.folder / "gone")
    assert run_without_converter(monkeypatch, options) == ExitCode.FAULT  # without the store the converter is started


def test_a_saved_model_of_a_model_that_cannot_be_used_is_a_verdict(place, monkeypatch):  # noqa: F811
    toolchain = use(place, "tensorflow", facts())
    place.source.write_bytes(b"no model")
    identify_model("tiny", place.source, place.identity)
    assert run_without_converter(monkeypatch, saved_model_options(place, toolchain)) == 0
    document = read_json(place.folder / "saved_model.json", "saved-model")
    assert (document["status"], document["reason"]["kind"]) == ("failed", "unusable_input")
    assert "not an ONNX model" in document["reason"]["message"] and document["artifact"]["bytes"] == 0


def test_an_engine_comes_back_on_the_same_machine_with_the_same_tools(job, tools):  # noqa: F811
    calls = write_trtexec(tools)
    first = build_engine(job)
    again = build_engine(job)
    assert again == first and [call[1:] for call in read_calls(calls)].count(["--help"]) == 2
    assert len(read_calls(calls)) == 3  # built once, asked for its version twice
    write_trtexec(tools, version="100700")
    assert build_engine(job)["drivers"]["tensorrt"] == "10.7.0"
    assert len(read_calls(calls)) == 5  # another TensorRT builds again


def test_an_engine_of_another_machine_is_built_again(job, tools, monkeypatch):  # noqa: F811
    calls = write_trtexec(tools)
    build_engine(job)
    other = {"id": "0" * 16, "board": None, "cpu": None}
    monkeypatch.setattr(build_keys, "describe_machine", lambda: other)
    build_engine(job)
    assert len(read_calls(calls)) == 4
