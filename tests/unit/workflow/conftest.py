"""A root that has configuration, code and results of its own."""

import shutil

import pytest
from edgeproof.core.layout import REPOSITORY


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder with the shipped configuration and code, where the test is."""
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    for folder in ("scripts", "envs"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path
