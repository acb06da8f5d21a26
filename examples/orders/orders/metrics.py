"""What the service measures about itself, in the text format of Prometheus."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


class Metrics:
    """The service's counters; one registry each, so that two services can share a process."""

    def __init__(self, at_work: Callable[[], int]) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "orders_requests", "Answered requests.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "orders_request_seconds",
            "Time from the request to the start of its answer.",
            ["method", "route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
            registry=self.registry,
        )
        self.acknowledged = Counter("orders_acknowledged", "Orders answered with 201.", registry=self.registry)
        self.generation = Gauge(
            "orders_config_generation", "Readings of the configuration that were taken over.", registry=self.registry
        )
        self.refused_reloads = Counter(
            "orders_config_refused", "Readings of the configuration that were refused.", registry=self.registry
        )
        Gauge("orders_at_work", "Orders and reports that are worked on.", registry=self.registry).set_function(at_work)
        ProcessCollector(registry=self.registry)


class MeasuringMiddleware:
    """Count and time every request by its route."""

    def __init__(self, app: Application, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def measured(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, message["status"], time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, measured)

    def _note(self, scope: Message, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.requests.labels(scope["method"], route, status).inc()
        self._metrics.seconds.labels(scope["method"], route).observe(seconds)
