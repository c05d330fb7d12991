"""Loads variants in the background and puts them in place of the active one, without a request that notices.

Model, name and generation are one record, replaced in one assignment. What fails on the way touches nothing: the active
model stays. The old model is unloaded after its last request.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable, List, NamedTuple, Optional, Protocol, Set

from . import swap_codes
from .active_model import ActiveModel, Model

Announce = Callable[[Model], None]
# From a variant's name to its loaded model. A loader that can be cut short announces its model before it loads it:
# `unload` is then called on it from another thread.
Loader = Callable[[str, Announce], Model]


class SwapRefused(Exception):
    """A model that loaded and must not become active. `code`: one of `swap_codes`."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SwapTimes(NamedTuple):
    """Seconds: until a load counts as failed; that a retired model is waited for by `close`."""

    load_s: float = 60.0
    drain_s: float = 30.0


class SwapListener(Protocol):
    """Who is told. Called from the threads that load."""

    def note_start(self, name: str) -> None:
        """Tell that a load begins."""
        ...

    def note_commit(self, name: str, before: str) -> None:
        """Tell that `name` has become active in place of `before`."""
        ...

    def note_failure(self, name: str, code: str, message: str) -> None:
        """Tell that a load has ended without a commit; the active model is as before."""
        ...

    def note_unloaded(self, name: str) -> None:
        """Tell that a retired model is gone."""
        ...


class _Attempt:
    """One load. `model`: what the loader announced, for cutting the load short. `told`: its failure has been noted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.model: Optional[Model] = None
        self.told = threading.Event()


class Swapper:
    """The active model and at most one load. `check`: raises SwapRefused for (candidate, name, active)."""

    def __init__(
        self,
        load: Loader,
        check: Callable[[Any, str, Optional[ActiveModel]], None],
        listener: SwapListener,
        times: SwapTimes,
    ) -> None:
        self._load, self._check, self._listener, self._times = load, check, listener, times
        self._lock = threading.Lock()
        self._attempt: Optional[_Attempt] = None
        self._threads: Set[threading.Thread] = set()
        self._next_generation = 1
        self._closed = False
        self.active: Optional[ActiveModel] = None

    @property
    def in_flight(self) -> Optional[str]:
        """The variant that is being loaded, None without one."""
        attempt = self._attempt
        return None if attempt is None else attempt.name

    def load_now(self, name: str) -> None:
        """Load a variant in this thread and make it active; raise what the loader or the checks raise."""
        model = self._load(name, lambda _: None)
        try:
            self._check(model, name, None)
        except BaseException:
            model.unload()
            raise
        self._retire(self._install(model, name))

    def begin(self, name: str) -> bool:
        """Load a variant in the background; return False where one is being loaded already, or after `close`."""
        with self._lock:
            if self._closed or self._attempt is not None:
                return False
            attempt = self._attempt = _Attempt(name)
        self._listener.note_start(name)
        thread = threading.Thread(target=self._run, args=(attempt,), name="edgeproof-load", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()
        return True

    def cancel(self) -> bool:
        """Give the running load up; return whether there was one."""
        attempt = self._attempt
        return attempt is not None and self._give_up(attempt, swap_codes.CANCELLED, "the load was cancelled")

    def close(self) -> None:
        """Give a running load up, unload the active model after its last request, and wait for the threads."""
        self.cancel()
        with self._lock:
            self._closed = True
            active, self.active = self.active, None
        if active is not None:
            self._retire(active)
        self.wait(self._times.drain_s)

    def wait(self, seconds: float) -> bool:
        """Wait until no load runs and every retired model is unloaded; return whether that came about in time."""
        with self._lock:
            threads: List[threading.Thread] = list(self._threads)
        for thread in threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in threads)

    def _run(self, attempt: _Attempt) -> None:
        limit = threading.Timer(self._times.load_s, self._expire, (attempt,))
        limit.daemon = True
        limit.start()
        try:
            old = self._try(attempt)
        finally:
            limit.cancel()
        if old is None:
            attempt.told.wait()  # whoever has given it up is telling
        else:
            self._unload_drained(old)
        self._forget_thread()

    def _try(self, attempt: _Attempt) -> Optional[ActiveModel]:
        """Load, check and commit; return the model that was active before, None where nothing was committed."""
        model: Optional[Model] = None

        def announce(made: Model) -> None:
            attempt.model = made
            if self._attempt is not attempt:  # given up before it was announced
                made.unload()

        try:
            model = self._load(attempt.name, announce)
            self._check(model, attempt.name, self.active)
        except BaseException as error:  # of a loader that is not ours, anything
            code = error.code if isinstance(error, SwapRefused) else swap_codes.LOAD_FAILED
            if model is not None:
                _unload(model)
            self._give_up(attempt, code, str(error) or type(error).__name__)
            return None
        with self._lock:
            wanted = self._attempt is attempt
            old = self._replace(model, attempt.name) if wanted else None
            if wanted:
                self._attempt = None
        if not wanted:
            _unload(model)
            return None
        if old is not None:
            old.retire()
        self._listener.note_commit(attempt.name, old.name if old is not None else "")
        return old

    def _expire(self, attempt: _Attempt) -> None:
        self._give_up(attempt, swap_codes.TIMED_OUT, "not loaded within {} s".format(self._times.load_s))

    def _give_up(self, attempt: _Attempt, code: str, message: str) -> bool:
        """End an attempt without a commit, unless it has ended already; return whether it was this call."""
        with self._lock:
            if self._attempt is not attempt:
                return False
            self._attempt = None
        try:
            if attempt.model is not None:
                _unload(attempt.model)
            self._listener.note_failure(attempt.name, code, message)
        finally:
            attempt.told.set()
        return True

    def _install(self, model: Model, name: str) -> Optional[ActiveModel]:
        with self._lock:
            if not self._closed:
                return self._replace(model, name)
        _unload(model)
        raise RuntimeError("the engine is closed")

    def _replace(self, model: Model, name: str) -> Optional[ActiveModel]:
        """Make a model active, in one assignment; return what was before."""
        old = self.active
        self.active = ActiveModel(model, name, self._next_generation)
        self._next_generation += 1
        return old

    def _retire(self, old: Optional[ActiveModel]) -> None:
        """Retire a model and have it unloaded in the background after its last request."""
        if old is None:
            return
        old.retire()

        def unload() -> None:
            self._unload_drained(old)
            self._forget_thread()

        thread = threading.Thread(target=unload, name="edgeproof-unload", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _unload_drained(self, old: ActiveModel) -> None:
        old.drained.wait()
        _unload(old.model)
        self._listener.note_unloaded(old.name)

    def _forget_thread(self) -> None:
        with self._lock:
            self._threads.discard(threading.current_thread())


def _unload(model: Model) -> None:
    with contextlib.suppress(Exception):  # a model that cannot be let go of must not take the service with it
        model.unload()
