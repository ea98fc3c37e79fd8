"""What Prometheus asks for: how many requests, how long they took, how many wait, and what was done."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from skeletonllm.serving.engine import Engine

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Seconds; a question to the small model takes a tenth, a dance minutes.
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Numbers of one server.

    Args:
        engine: whose queues are looked at when somebody asks.
    """

    def __init__(self, engine: Engine):
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "skeletonllm_requests", "Requests by route and status", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "skeletonllm_request_seconds", "From the head of a request to the end of its response", ["route"],
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.registry.register(_Queues(engine))

    def text(self) -> bytes:
        """All numbers, in Prometheus' text format."""
        return generate_latest(self.registry)


class _Queues(Collector):
    """Looks at an engine when it is asked."""

    def __init__(self, engine: Engine):
        self.engine = engine

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        queues = {"questions": self.engine.questions, "pictures": self.engine.pictures}
        for state in ("waiting", "running"):
            gauge = GaugeMetricFamily(f"skeletonllm_{state}", f"Requests that are {state}, by queue", labels=["queue"])
            for name, queue in queues.items():
                gauge.add_metric([name], getattr(queue, state))
            yield gauge
        done = CounterMetricFamily("skeletonllm_done", "What was done, by kind", labels=["kind"])
        for kind in ("answers", "passes", "tokens", "pictures", "dances"):
            done.add_metric([kind], self.engine.counts[kind])
        yield done


class Counting:
    """ASGI middleware that counts requests.

    Args:
        app: whose.
        metrics: where to.
        routes: paths that are counted by name; all others are ``other``, as names from outside would fill the memory.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: tuple[str, ...]):
        self.app, self.metrics, self.routes = app, metrics, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        route = scope["path"] if scope["path"] in self.routes else "other"
        begin, status = time.monotonic(), "none"

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            self.metrics.requests.labels(route, status).inc()
            self.metrics.seconds.labels(route).observe(time.monotonic() - begin)
