"""What is counted: a layer that measures every request, for the log and for Prometheus."""

import logging
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from app import surface
from app.gate import App, Message, Receive, Scope, Send
from app.service import Service

logger = logging.getLogger("medmamba.requests")
SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
STREAMS = ("/gradio_api/heartbeat",)  # last as long as a page is open


class Ledger:
    """Wraps the whole application. registry: what Prometheus is shown."""

    def __init__(self, app: App, service: Service) -> None:
        self.app = app
        self.unanswered = 0  # requests under way, open pages' heartbeats not counted
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        own, labels = self.registry, ["method", "path", "status"]
        self.requests = Counter("medmamba_requests", "Requests by path and status", labels, registry=own)
        self.seconds = Histogram("medmamba_request_seconds", "Time to answer", ["path"], buckets=SECONDS, registry=own)
        self.busy = Gauge("medmamba_requests_under_way", "Requests not answered yet", registry=own)
        self.received = Counter("medmamba_received_bytes", "Bytes of bodies", registry=own)
        held = Gauge("medmamba_pictures_held", "Pictures in memory", registry=own)
        held.set_function(lambda: service.holdings()[0])
        size = Gauge("medmamba_held_bytes", "Bytes of the pictures in memory", registry=own)
        size.set_function(lambda: service.holdings()[1])
        Gauge("medmamba_ready", "Reader and network are warm", registry=own).set_function(lambda: service.is_warm)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = surface.label(scope["path"].removeprefix(scope.get("root_path", "")) or "/")
        started, status, size = time.perf_counter(), 0, 0

        async def count(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        async def measure() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message

        counted = path not in STREAMS
        self.unanswered += counted
        self.busy.inc()
        try:
            await self.app(scope, measure, count)
        finally:
            self.unanswered -= counted
            self.busy.dec()
            self.received.inc(size)
            method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "PUT", "DELETE") else "other"
            self.requests.labels(method, path, status).inc()
            seconds = time.perf_counter() - started
            if counted:
                self.seconds.labels(path).observe(seconds)
            if path not in surface.PROBES:  # counted, not logged: balancers ask every second
                said = {"method": method, "path": path, "status": status}
                logger.info("request", extra=said | {"milliseconds": round(1000 * seconds), "bytes": size})
