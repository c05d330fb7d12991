"""The version and commit in a manifest, however the repository was checked out."""

import pytest
from edgeproof.artifacts.records.own_version import describe_own_version

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "a branch": {".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": f"{COMMIT}\n"},
    "packed": {".git/HEAD": "ref: refs/heads/main\n", ".git/packed-refs": f"# pack-refs\n{COMMIT} refs/heads/main\n"},
    "no branch": {".git/HEAD": f"{COMMIT}\n"},
    "a worktree": {
        ".git": "gitdir: elsewhere/worktrees/mine\n",
        "elsewhere/worktrees/mine/HEAD": "ref: refs/heads/mine\n",
        "elsewhere/worktrees/mine/commondir": "../..\n",
        "elsewhere/refs/heads/mine": f"{COMMIT}\n",
    },
}


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_the_commit_that_is_checked_out(tmp_path, files):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    assert describe_own_version(tmp_path) == {"version": "1.2.3", "commit": COMMIT}


def test_a_copy_without_git_has_no_commit(tmp_path):
    assert describe_own_version(tmp_path) == {}
