"""Counts for Prometheus, in a registry of the server's own: two servers in one process do not mix."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from foveal.agent.observations import Failed
from foveal.graphs.trace import Event

SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
"""Bounds of the histograms."""


class Metrics:
    """What one server has done so far."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests by path and status.", "path", "status")
        self._seconds = Histogram(
            "foveal_request_seconds", "Seconds from a request to the end of its reply.", ["path"],
            registry=self._registry, buckets=SECONDS,
        )  # fmt: skip
        self._answers = self._counter("answers", "Runs that ended, by what ended them.", "ended_by")
        self._hops = self._counter("hops", "Turns in which the model looked again.")
        self._actions = self._counter("actions", "Actions by kind and outcome.", "kind", "outcome")
        self._calls = self._counter("specialist_calls", "Requests to specialists.", "specialist")
        self._failures = self._counter(
            "specialist_errors", "Failures of specialists.", "specialist"
        )
        self._tokens = self._counter("tokens", "Tokens of runs that ended, by kind.", "kind")

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Show a number that is looked up when somebody asks."""
        Gauge(f"foveal_{name}", what, registry=self._registry).set_function(value)

    def replied(self, path: str, status: int, seconds: float) -> None:
        """Count a request; `path` is a route, not what somebody typed."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def hear(self, event: Event) -> None:
        """Count what one event of a run says."""
        if event.kind == "called":
            self._calls.labels(event.specialist).inc()
        elif event.kind == "returned":
            failed = isinstance(event.hop.observation, Failed)
            self._actions.labels(event.hop.action.kind, "failed" if failed else "seen").inc()
            if failed and event.hop.specialist is not None:
                self._failures.labels(event.hop.specialist).inc()
        elif event.kind == "finished":
            spent = event.result.usage
            self._answers.labels(event.result.ended_by).inc()
            self._hops.inc(spent.hops)
            tokens = {
                "computed": spent.prefilled,
                "cached": spent.cached,
                "written": spent.emitted,
                "visual": spent.visual,
            }
            for kind, count in tokens.items():
                self._tokens.labels(kind).inc(count)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"foveal_{name}", what, labels, registry=self._registry)
