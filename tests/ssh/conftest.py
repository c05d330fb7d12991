"""Two boards with a real sshd, for the tests behind the marker `ssh`."""

import tempfile

import pytest

from .network_boards import NetworkBoard


def pytest_collection_modifyitems(items):
    """Mark every test of this folder."""
    for item in items:
        if item.path.parent.name == "ssh":
            item.add_marker(pytest.mark.ssh)


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """What ssh and edgeproof remember goes into folders of the test's own; that of ssh's sockets has a short path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with tempfile.TemporaryDirectory(prefix="ep-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        yield tmp_path


@pytest.fixture
def make_board(surroundings):
    """A function that makes a board with a number; all are removed after the test."""
    made = []

    def make(number, **options):
        board = NetworkBoard(surroundings, number, **options)
        made.append(board)
        board.connect()
        board.start()
        return board

    yield make
    for board in made:
        board.remove()
