"""What tests of several verbs of `edgeproof new` need."""

import shutil

import pytest
from edgeproof.core.layout import REPOSITORY


@pytest.fixture
def root(tmp_path):
    """A repository's configuration, in a folder of its own."""
    shutil.copytree(REPOSITORY / "config", tmp_path / "repository/config")
    return tmp_path / "repository"
