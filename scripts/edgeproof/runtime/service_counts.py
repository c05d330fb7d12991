"""What a server counts, and the page that Prometheus reads."""

from __future__ import annotations

import bisect
import threading
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from .wire import Refusal, Response

_BOUNDS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Counts(NamedTuple):
    """A snapshot. `statuses`: responses by status; `latency`: cumulative counts by upper bound in seconds."""

    statuses: Dict[int, int]
    latency: List[Tuple[str, int]]
    latency_sum_s: float


class ServiceCounts:
    """Counters of one server, safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._statuses: Dict[int, int] = {}
        self._buckets = [0] * (len(_BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add_response(self, status: int) -> None:
        """Count a response."""
        with self._lock:
            self._statuses[status] = self._statuses.get(status, 0) + 1

    def add_inference(self, seconds: float) -> None:
        """Count an inference that took so long from when it was let in."""
        with self._lock:
            self._buckets[bisect.bisect_left(_BOUNDS_S, seconds)] += 1
            self._sum_s += seconds

    def read(self) -> Counts:
        """Return what was counted so far."""
        with self._lock:
            statuses, buckets, total_s = dict(self._statuses), list(self._buckets), self._sum_s
        so_far = 0
        latency: List[Tuple[str, int]] = []
        for bound, number in zip([*map(str, _BOUNDS_S), "+Inf"], buckets):
            so_far += number
            latency.append((bound, so_far))
        return Counts(statuses, latency, total_s)


class _Collector:
    """The figures of a server as families of Prometheus."""

    def __init__(self, core: Any, counts: Counts, gauges: Dict[str, float], engine: Dict[str, Any]) -> None:
        self._core, self._counts, self._gauges, self._engine = core, counts, gauges, engine

    def collect(self) -> Iterator[Any]:
        """Yield the families."""
        responses = self._core.CounterMetricFamily("edgeproof_responses", "Responses by status.", labels=["status"])
        for status, number in sorted(self._counts.statuses.items()):
            responses.add_metric([str(status)], number)
        yield responses
        text = "Seconds from letting a request in to its answer."
        latency = self._core.HistogramMetricFamily("edgeproof_inference_seconds", text)
        latency.add_metric([], self._counts.latency, self._counts.latency_sum_s)
        yield latency
        for name, value in self._gauges.items():
            yield self._core.GaugeMetricFamily("edgeproof_" + name, name.replace("_", " ") + ".", value=value)
        variant = self._core.GaugeMetricFamily("edgeproof_active_variant", "The variant served.", labels=["variant"])
        variant.add_metric([self._engine["variant"]], 1)
        yield variant
        for name, value in sorted(self._engine["counters"].items()):
            yield self._core.CounterMetricFamily("edgeproof_engine_" + name, name.replace("_", " ") + ".", value=value)


def render_metrics(counts: Counts, gauges: Dict[str, float], engine: Dict[str, Any]) -> Response:
    """Return the counts of a service as a page for Prometheus; Refusal (501) where prometheus-client is not installed.

    `engine`: {variant, counters}.
    """
    try:
        from prometheus_client import core, exposition, registry  # a board may go without
    except ImportError:
        raise Refusal(501, "/metrics needs the package prometheus-client") from None
    pages = registry.CollectorRegistry()
    pages.register(_Collector(core, counts, gauges, engine))
    headers = [(b"content-type", exposition.CONTENT_TYPE_LATEST.encode())]
    return Response(200, headers, exposition.generate_latest(pages))
