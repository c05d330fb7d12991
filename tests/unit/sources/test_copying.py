import copy_model
import pytest
from edgeproof.core.cli import run
from edgeproof.core.files import sha256_bytes

CONTENT = b"\x08\x08model"


@pytest.mark.parametrize("digest", [None, sha256_bytes(CONTENT), sha256_bytes(CONTENT).upper()])
def test_a_file_is_copied_whole(tmp_path, digest):
    (tmp_path / "a.onnx").write_bytes(CONTENT)
    output = tmp_path / "sources" / "m" / "model.onnx"
    options = ["--sha256", digest] if digest else []
    copy_model.main(["--source", str(tmp_path / "a.onnx"), "--output", str(output), *options])
    assert output.read_bytes() == CONTENT
    assert [item.name for item in output.parent.iterdir()] == ["model.onnx"]


def test_another_digest_names_both_and_writes_nothing(tmp_path, capsys):
    (tmp_path / "a.onnx").write_bytes(CONTENT)
    arguments = ["--source", str(tmp_path / "a.onnx"), "--output", str(tmp_path / "m.onnx"), "--sha256", "0" * 64]
    assert run(copy_model.main, arguments) == 2
    assert f"sha256 is {sha256_bytes(CONTENT)}, but {'0' * 64} is expected" in capsys.readouterr().err
    assert not (tmp_path / "m.onnx").exists()


@pytest.mark.parametrize("name", ["missing.onnx", "."])
def test_what_is_no_file_is_one_line(tmp_path, capsys, name):
    assert run(copy_model.main, ["--source", str(tmp_path / name), "--output", str(tmp_path / "m.onnx")]) == 2
    assert "cannot be read" in capsys.readouterr().err
