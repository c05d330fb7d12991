import os

import pytest
from edgeproof.core.layout import relative_to_repository


def test_what_is_inside_is_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert relative_to_repository("results/./a//b/") == "results/a/b"
    assert relative_to_repository(tmp_path / "results" / "a") == "results/a"
    assert relative_to_repository(tmp_path) == relative_to_repository("results/..") == "."
    assert relative_to_repository("/usr/bin/env", "/") == "usr/bin/env"


def test_what_is_outside_stays_as_it_is(tmp_path):
    root = tmp_path / "room"
    for path in (tmp_path, tmp_path / "room-2" / "a", tmp_path / "room" / ".." / "a"):
        assert relative_to_repository(path, root) == str(path)


@pytest.mark.parametrize("through_link", [True, False])
def test_a_link_counts_where_it_is_and_where_it_leads(tmp_path, through_link):
    (tmp_path / "room").mkdir()
    os.symlink(tmp_path / "room", tmp_path / "link")
    (tmp_path / "room" / "python").symlink_to("/usr/bin/env")
    base = tmp_path / ("link" if through_link else "room")
    assert relative_to_repository(tmp_path / "room" / "a", base) == "a"
    assert relative_to_repository(base / "python", base) == "python"
