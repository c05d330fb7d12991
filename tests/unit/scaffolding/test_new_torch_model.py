"""`edgeproof new model` for PyTorch: a module, a state dict, a TorchScript file."""

import shutil
import zipfile

import pytest
from edgeproof.core.catalogues import read_catalogue_entry
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import REPOSITORY
from edgeproof.scaffolding.cli import main

SHAPES = ["--shape", "image=1,3,8,8", "--shape", "size=1,2"]


@pytest.fixture
def root(tmp_path, monkeypatch):
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("")
    (tmp_path / "weights.pth").write_bytes(b"\x80")
    for name, member in (("traced.pt", "traced/constants.pkl"), ("states.pt", "states/data.pkl")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(member, "")
    (tmp_path / "text.pt").write_text("hello " * 50)
    for name in ("lfs.pt", "lfs.pth", "lfs.py"):
        (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "module", "weights"),
    [
        (["net.py", "--module", "Net"], "net.py:Net", None),
        (["weights.pth", "--module", "net.py:Net"], "net.py:Net", "weights.pth"),
        (["states.pt", "--module", "net.py:Net"], "net.py:Net", "states.pt"),
        (["traced.pt"], "traced.pt", None),
    ],
)
def test_a_configuration_exports_the_model(root, arguments, module, weights):
    assert main(["model", *arguments, "--name", "mine", *SHAPES], root) == ExitCode.GOOD
    source = read_catalogue_entry("model", "mine", root)["source"]
    assert (source["kind"], source["module"], source.get("weights")) == ("torch", module, weights)
    assert source["example_input"] == [{"name": "image", "shape": [1, 3, 8, 8]}, {"name": "size", "shape": [1, 2]}]
    assert "campaign: mine" in (root / "config/mine.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["net.py", *SHAPES], r"net.py: say which module in it is meant, such as --module Net"),
        (["states.pt", *SHAPES], r"states.pt: has weights and no code; name the class .* --module net.py:Net"),
        (["weights.pth", *SHAPES], r"weights.pth: has weights and no code"),
        (["states.pt", "--module", "gone.py:Net", *SHAPES], r"--module gone.py:Net: FILE.py:NAME is needed"),
        (["net.py", "--module", "Net"], r"--shape is missing"),
        (["net.py", "--module", "Net", "--shape", "x=1,a"], r"--shape x=1,a: INPUT=N,… is needed"),
        (["traced.pt", *SHAPES, "--samples", "x.npy"], r"--samples is for an ONNX file"),
        (["gone.pt", *SHAPES], r"gone.pt: there is no such file"),
        (["lfs.pt", *SHAPES], r"lfs.pt: a Git LFS pointer instead of the file; fetch it: git lfs pull"),
        (["lfs.pth", "--module", "net.py:Net", *SHAPES], r"lfs.pth: a Git LFS pointer instead of the file"),
        (["lfs.py", "--module", "Net", *SHAPES], r"lfs.py: a Git LFS pointer instead of the file"),
        (["text.pt", *SHAPES], r"text.pt: is no file of PyTorch's; save one with torch.save"),
        (["text.pt", "--module", "net.py:Net", *SHAPES], r"text.pt: is no file of PyTorch's"),
        (["net.onnx", "--module", "Net"], r"--module is for a PyTorch model"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(root, arguments, message):
    before = sorted((root / "config").rglob("*"))
    with pytest.raises(UserError, match=message) as refused:
        main(["model", *arguments], root)
    assert "\n" not in str(refused.value) and sorted((root / "config").rglob("*")) == before
