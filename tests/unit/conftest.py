"""What tests of several rooms need."""

import contextlib
import os
import queue
import sys

import pytest

_listeners = []


def _note_open(event, arguments):
    """Tell the listeners of a file that Python opens, by whatever function."""
    if _listeners and event == "open" and isinstance(arguments[0], str | os.PathLike):
        for names in _listeners:
            names.append(os.fspath(arguments[0]))


@pytest.fixture(scope="session")
def _hook():
    sys.addaudithook(_note_open)  # it cannot be removed, and costs nothing while nobody listens


@pytest.fixture
def opened(_hook):
    """A context manager that gives the list of the files opened inside it, one entry per open."""

    @contextlib.contextmanager
    def listen():
        names = []
        _listeners.append(names)
        try:
            yield names
        finally:
            _listeners.remove(names)

    return listen


@pytest.fixture
def waiters(monkeypatch):
    """A queue of what those who wait for a device say; another thread's output is not lost, as it may be by capsys."""
    said = queue.Queue()
    monkeypatch.setattr("edgeproof.agent.lock.tell", said.put)
    return said
