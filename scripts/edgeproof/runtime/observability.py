"""What the engine did: counters, and its last events."""

from __future__ import annotations

import collections
import threading
import time
from typing import Any, Deque, Dict, List

_KEPT = 128
_IN_SNAPSHOT = 16
# EdgeAdapt's counters are always there, from the start.
_COUNTERS = ("swaps_attempted", "swaps_succeeded", "swaps_failed", "profile_ticks", "policy_evals")


class Observability:
    """Counters and the last 128 events, safe to use from any thread.

    An event is {kind, timestamp: seconds since 1970, payload}. EdgeAdapt's kinds are profile_tick, policy_eval,
    swap_start, swap_complete and swap_fail; the engine adds loop_error, swap_skipped and recovery.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: Dict[str, int] = dict.fromkeys(_COUNTERS, 0)
        self._events: Deque[Dict[str, Any]] = collections.deque(maxlen=_KEPT)

    def count(self, name: str) -> None:
        """Add one to a counter."""
        with self._lock:
            self._counters[name] = self._counters.get(name, 0) + 1

    def record(self, kind: str, payload: Dict[str, Any]) -> None:
        """Keep an event."""
        event = {"kind": kind, "timestamp": time.time(), "payload": payload}
        with self._lock:
            self._events.append(event)

    def read_counters(self) -> Dict[str, int]:
        """Return all counters by name."""
        with self._lock:
            return dict(self._counters)

    def recent_events(self, limit: int = 32) -> List[Dict[str, Any]]:
        """Return the last events, oldest first."""
        with self._lock:
            return list(self._events)[-limit:] if limit > 0 else []

    def snapshot(self) -> Dict[str, Any]:
        """Return {counters, events: the last 16}."""
        return {"counters": self.read_counters(), "events": self.recent_events(_IN_SNAPSHOT)}
