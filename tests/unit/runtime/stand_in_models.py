"""Models and devices of the engine's tests: nothing is measured, and everything that happens is an event."""

import threading

from edgeproof.runtime.device_state import DeviceState

PATIENCE_S = 20


class StandInModel:
    """What a loader may return; it says its name."""

    def __init__(self, name, concurrent=True):
        self.name, self.concurrent = name, concurrent
        self.unloaded = threading.Event()

    def infer(self, x):
        assert not self.unloaded.is_set()
        return f"{self.name}: {x}"

    def unload(self):
        self.unloaded.set()

    def is_loaded(self):
        return not self.unloaded.is_set()

    def capabilities(self):
        return {"backend_id": "stand-in", "supports_concurrent_infer": self.concurrent}


class StandInLoader:
    """Loads stand-ins. `broken`: {name: exception}; `gates`: {name: event that a load waits for}."""

    def __init__(self):
        self.broken, self.gates, self.models = {}, {}, []

    def __call__(self, name):
        if name in self.gates:
            assert self.gates[name].wait(PATIENCE_S)
        if name in self.broken:
            raise self.broken[name]
        self.models.append(StandInModel(name))
        return self.models[-1]


class StandInDevice:
    """A profiler with as much memory as the test says. `polled`: set at every reading."""

    def __init__(self, memory_mb=2000.0):
        self.memory_mb, self.polled = memory_mb, threading.Event()
        self.broken = None

    def read(self):
        self.polled.set()
        if self.broken is not None:
            raise self.broken
        return DeviceState(self.memory_mb, 1.0)

    def wait_for_polls(self, count=2):
        """Wait until so many readings have been taken: what was read before is then acted on."""
        for _ in range(count):
            self.polled.clear()
            assert self.polled.wait(PATIENCE_S)


class Happenings:
    """Callbacks of an engine, as a list of (what, variant) that can be waited for."""

    def __init__(self):
        self.seen, self._changed = [], threading.Condition()

    def options(self):
        return {
            "on_swap_start": lambda name: self.add("start", name),
            "on_swap_complete": lambda name: self.add("complete", name),
            "on_fallback": lambda name, message: self.add("fallback", name),
        }

    def add(self, what, name):
        with self._changed:
            self.seen.append((what, name))
            self._changed.notify_all()

    def wait_for(self, what, name):
        with self._changed:
            assert self._changed.wait_for(lambda: (what, name) in self.seen, PATIENCE_S)
