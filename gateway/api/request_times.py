"""How long requests take until their answer begins, by resource: for Prometheus. Pure ASGI."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_API = "/api/"
# No route took it: whatever was asked for does not become a label.
_OTHER = "other"


class RequestTimes:
    """One process's times; :meth:`note` costs some microseconds."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._seconds = Histogram(
            "gridsight_request_seconds",
            "Until the answer to a request of the API begins",
            ["resource", "status"],
            buckets=_BUCKETS_S,
            registry=self._registry,
        )

    def note(self, resource: str, status: int, seconds: float) -> None:
        """An answer with this HTTP status began after so long."""
        self._seconds.labels(resource, f"{status // 100}xx").observe(seconds)

    def families(self) -> list[Metric]:
        """As they are now."""
        return list(self._registry.collect())


class RequestTiming:
    """Wraps the application and notes each request of the API."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or not scope["path"].startswith(_API):
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        times: RequestTimes = scope["app"].state.services.request_times

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                taken = time.perf_counter() - begun
                times.note(resource_of(scope), message["status"], taken)
            await send(message)

        await self._app(scope, receive, send_noted)


def resource_of(scope: Scope) -> str:
    """``cameras`` of the route ``/api/cameras/{camera_id}``; ``other`` where no route matched."""
    path = getattr(scope.get("route"), "path", "")
    return path.removeprefix(_API).partition("/")[0] if path.startswith(_API) else _OTHER
