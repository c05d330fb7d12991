import hashlib
import stat

import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_path, atomic_write, sha256_file


def test_digest_is_sha256_of_the_bytes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"x" * (1 << 21))
    assert sha256_file(path) == hashlib.sha256(b"x" * (1 << 21)).hexdigest()
    with pytest.raises(UserError, match="there is no such file"):
        sha256_file(tmp_path / "none")


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a"
    atomic_write(path, "old")

    def fail_midway():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_midway()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_written_file_is_readable_by_others(tmp_path):
    atomic_write(tmp_path / "a", b"x")
    (tmp_path / "b").write_bytes(b"x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)
