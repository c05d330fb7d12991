import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.lfs_pointers import require_no_pointer


def test_a_git_lfs_pointer_is_not_the_file(tmp_path):
    (tmp_path / "model.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(UserError, match=r"a Git LFS pointer instead of the file; fetch it: git lfs pull --include"):
        require_no_pointer(tmp_path / "model.onnx")
    (tmp_path / "text").write_text("version")
    require_no_pointer(tmp_path / "text")
