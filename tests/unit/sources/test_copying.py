from pathlib import Path

import copy_model
import pytest
from edgeproof.core.files import sha256_bytes
from edgeproof.core.program_start import run
from edgeproof.sources import copying
from edgeproof.sources.input_faults import read_note

CONTENT = b"\x08\x08model"


@pytest.mark.parametrize("digest", [None, sha256_bytes(CONTENT), sha256_bytes(CONTENT).upper()])
def test_a_file_is_copied_whole(tmp_path, digest):
    (tmp_path / "a.onnx").write_bytes(CONTENT)
    output = tmp_path / "sources" / "m" / "model.onnx"
    options = ["--sha256", digest] if digest else []
    copy_model.main(["--source", str(tmp_path / "a.onnx"), "--output", str(output), *options])
    assert output.read_bytes() == CONTENT
    assert [item.name for item in output.parent.iterdir()] == ["model.onnx"]


def copy(folder, source, *options):
    """Copy as model `mine` and return the fault that the note in its place tells of, or None."""
    output = folder / "sources" / "mine" / "model.onnx"
    assert run(copy_model.main, ["--source", str(source), "--output", str(output), *options]) == 0
    assert [item.name for item in output.parent.iterdir()] == ["model.onnx"]
    return read_note(output)


def test_another_digest_leaves_a_note_that_names_both(tmp_path, capsys):
    (tmp_path / "a.onnx").write_bytes(CONTENT)
    fault = copy(tmp_path, tmp_path / "a.onnx", "--sha256", "0" * 64)
    assert fault is not None and fault.kind == "wrong_digest"
    assert f"source.sha256 is {'0' * 64}, but {tmp_path / 'a.onnx'} has {sha256_bytes(CONTENT)}" in str(fault)
    assert capsys.readouterr().err == f"no model: {fault}\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.onnx", "no such file; put it there or correct the path"),
        (".", "is a folder; name a file"),
        ("x" * 300, "no such file"),
        ("a\0b", "no such file"),
    ],
)
def test_what_is_no_file_leaves_a_note_that_names_the_yaml_and_its_key(tmp_path, monkeypatch, name, said):
    monkeypatch.chdir(tmp_path)
    Path("config/models").mkdir(parents=True)
    Path("config/models/mine.yaml").touch()
    fault = copy_model_of(tmp_path, f"{tmp_path}/{name}")
    assert fault.kind == "missing_file"
    assert str(fault).startswith(f"config/models/mine.yaml: source.path {tmp_path}/{name}: {said}")
    Path("config/models/mine.yaml").unlink()  # the campaign holds the model's entry itself
    assert str(copy_model_of(tmp_path, f"{tmp_path}/{name}")).startswith(f"models.mine: source.path {tmp_path}/{name}")


def copy_model_of(folder, source):
    fault = copying.copy_model(source, None, folder / "sources" / "mine" / "model.onnx")
    assert fault is not None
    return fault


def test_a_git_lfs_pointer_is_named_with_the_remedy(tmp_path):
    (tmp_path / "a.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 9\n")
    fault = copy(tmp_path, tmp_path / "a.onnx", "--sha256", "0" * 64)
    assert fault is not None and fault.kind == "lfs_pointer"
    assert f"git lfs pull --include {tmp_path / 'a.onnx'}" in str(fault)


def test_a_file_that_may_not_be_read_is_no_fault_of_the_model(tmp_path, monkeypatch, capsys):
    (tmp_path / "a.onnx").write_bytes(CONTENT)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(copying.shutil, "copyfile", refuse)
    arguments = ["--source", str(tmp_path / "a.onnx"), "--output", str(tmp_path / "m" / "model.onnx")]
    assert run(copy_model.main, arguments) == 2
    assert capsys.readouterr().err == f"error: {tmp_path / 'a.onnx'}: cannot be read (Permission denied)\n"
    assert list((tmp_path / "m").iterdir()) == []
