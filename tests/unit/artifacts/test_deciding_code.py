"""What decides the bytes of a build is told from what only files them."""

import ast
import contextlib
import os
from pathlib import Path

import pytest
from edgeproof.artifacts.records import deciding_code
from edgeproof.artifacts.records.deciding_code import (
    digest_agent,
    digest_converter_code,
    digest_deciding_code,
    list_deciding_code,
)
from edgeproof.core import closure
from edgeproof.core.closure import list_code
from edgeproof.core.layout import REPOSITORY

BUILDS = "scripts/edgeproof/artifacts/builds"
ENTRIES = ("onnx_artifacts", "converted_artifacts", "saved_models", "tensorrt_engines", "rknn_artifacts")


def test_quantisation_decides_and_the_store_does_not():
    files = list_deciding_code(f"{BUILDS}/onnx_artifacts.py")
    names = {Path(path).name for path in files}
    assert {
        "onnx_artifacts.py",
        "quantisation.py",
        "half_precision.py",
        "range_calibration.py",
        "preflight.py",
    } <= names
    assert {"onnx_graphs.py", "precision_proof.py", "build_steps.py"} <= names
    assert not names & {"attempts.py", "keys.py", "documents.py", "manifests.py", "kept_builds.py", "build_keys.py"}


@pytest.mark.parametrize("entry", [*(f"{BUILDS}/{name}.py" for name in ENTRIES), f"{BUILDS}/onnx_precisions.py"])
def test_what_is_left_out_imports_no_tool(entry):
    """What computes uses numpy, onnx or a runtime; a module that is left out of the key imports none of them."""
    with contextlib.chdir(REPOSITORY):
        left_out = {entry, *list_code(entry)} - set(list_deciding_code(entry))
    assert entry not in left_out and "scripts/edgeproof/core/files.py" in left_out
    for path in left_out:
        nodes = list(ast.walk(ast.parse((REPOSITORY / path).read_text())))
        imported = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module.split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
        assert not imported & {"numpy", "onnx", "onnxruntime", "onnxconverter_common"}, path


def test_digests_do_not_depend_on_the_current_folder(tmp_path, monkeypatch):
    code = digest_deciding_code(f"{BUILDS}/onnx_artifacts.py"), digest_converter_code("tflite"), digest_agent()
    for function in (digest_deciding_code, digest_converter_code, digest_agent):
        function.cache_clear()
    monkeypatch.chdir(tmp_path)
    again = digest_deciding_code(f"{BUILDS}/onnx_artifacts.py"), digest_converter_code("tflite"), digest_agent()
    assert again == code and len(set(code)) == 3
    assert os.getcwd() == str(tmp_path) and list(tmp_path.iterdir()) == []


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A repository of two files, one of which imports the other, that were written long ago."""
    folder = tmp_path / "scripts" / "edgeproof"
    folder.mkdir(parents=True)
    (folder / "maker.py").write_text("from .helper import VALUE\n")
    (folder / "helper.py").write_text("VALUE = 1\n")
    monkeypatch.setattr(deciding_code, "REPOSITORY", tmp_path)
    monkeypatch.setattr(deciding_code, "_SETTLED_NS", -1)

    def forget():
        for function in (digest_deciding_code, closure._facts, closure._read_facts, closure._files_imported):
            function.cache_clear()
        closure.list_code.cache_clear()

    forget()
    yield folder, forget
    forget()


def test_a_digest_is_remembered_until_a_file_changes(tree, monkeypatch):
    folder, forget = tree
    entry = "scripts/edgeproof/maker.py"
    first = digest_deciding_code(entry)
    forget()
    with monkeypatch.context() as patched:
        patched.setattr(deciding_code, "digest_files", None)  # not asked again
        assert digest_deciding_code(entry) == first
    forget()
    before = (folder / "helper.py").stat()
    (folder / "helper.py").write_text("VALUE = 2\n")
    os.utime(folder / "helper.py", ns=(before.st_atime_ns, before.st_mtime_ns - 10**12))  # with an older date
    second = digest_deciding_code(entry)
    assert second != first
    forget()
    (folder / "helper.py").write_text("# a comment\nVALUE = 2\n")
    assert digest_deciding_code(entry) == second


def test_memory_that_is_damaged_costs_time_and_nothing_else(tree):
    folder, forget = tree
    first = digest_deciding_code("scripts/edgeproof/maker.py")
    (folder.parents[1] / ".edgeproof" / "deciding-code.json").write_text("{")
    forget()
    assert digest_deciding_code("scripts/edgeproof/maker.py") == first


@pytest.mark.parametrize(
    "remembered",
    [
        "[]",
        "5",
        '{"what": 5}',
        '{"what": []}',
        '{"what": {"files": {}, "digest": 5}}',
        '{"what": {"files": {}, "digest": "x"}}',
        '{"what": {"files": ["Snakefile"], "digest": "x"}}',
    ],
)
def test_a_memory_of_another_shape_is_thrown_away(tmp_path, monkeypatch, remembered):
    memory = tmp_path / "memory.json"
    memory.write_text(remembered)
    monkeypatch.setattr(deciding_code, "_MEMORY", memory)
    assert deciding_code._remember("what", lambda: (["Snakefile"], "digest")) == "digest"
