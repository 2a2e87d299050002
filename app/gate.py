"""The ASGI layer in front of everything: what Gradio's ``launch`` cannot set.

Security headers on every answer, with the hashes of the page's own inline scripts in the CSP; refusal of requests that
other sites' pages send, or that were meant for another host; 404 for what is not ours to offer; caps on the bytes of
a whole request and of all together, and on the time that one may take.
"""

import asyncio
import base64
import contextlib
import hashlib
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app import surface
from app.engine import FULL
from app.texts import texts_for

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TOO_LARGE = "What was sent is too large. Export one picture or fewer frames of it."
TOO_SLOW = "The file came too slowly. Try again where the network is better."
SILENT_SECONDS, WHOLE_SECONDS = 20.0, 300.0  # how long a body may pause, and take
FRESH = ("/viewer/", "/classroom/")  # scripts of ours, whose names stay when a new version changes them
READING = {"GET", "HEAD", "OPTIONS"}
INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


class Gate:
    """Wraps the whole application.

    Args:
        app: what is behind the gate.
        max_body: most bytes of one request's body.
        origins: origins other than the server's own whose pages may send requests.
        frame_ancestors: who may show the page in a frame, as in CSP.
        head: HTML put first in the head of Gradio's pages; its own comes only after its scripts have run.
        own: where our own pages begin, which need neither ``head`` nor Gradio's exceptions from the CSP.
        hosts: the names that the server goes by; any if there are none. A page whose name was made to point at this
            machine (DNS rebinding) would pass for our own without them.
        most_waiting: most bytes of the bodies of all requests under way.
    """

    def __init__(
        self,
        app: App,
        max_body: int,
        origins: tuple[str, ...] = (),
        frame_ancestors: str = "'none'",
        head: str = "",
        own: str = "/classroom/",
        hosts: tuple[str, ...] = (),
        most_waiting: int = 256 * 2**20,
    ) -> None:
        self.app, self.max_body, self.origins, self.frame_ancestors = app, max_body, origins, frame_ancestors
        self.head, self.own, self.hosts = head.encode(), own, hosts
        self.waiting = _Waiting(most_waiting)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})  # nothing here speaks it
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"].removeprefix(scope.get("root_path", "")) or "/"
        is_own_page = path.startswith(self.own)
        policy, head = (self._strict, b"") if is_own_page else (self._policy, self.head)
        body = _Body(receive, self.max_body, self.waiting)
        answer = _Answer(send, body, policy, head, headers.get("accept-language", ""), path.startswith(FRESH))
        is_probe = path in surface.PROBES  # asked by the address, and telling nothing but that it runs
        if self.hosts and not is_probe and _name_of(headers.get("host", "")) not in self.hosts:
            await answer.refuse(
                421, "The server does not go by this name. Whoever runs it can add it to MEDMAMBA_HOSTS."
            )
            return
        if not surface.is_open(path):
            await answer.refuse(404, "There is nothing here.")
            return
        if scope["method"] not in READING and not self._is_own(headers):
            await answer.refuse(403, "This request came from another site's page.")
            return
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.max_body:
            await answer.refuse(413, TOO_LARGE)
            return
        if "text/html" in headers.get("accept", ""):  # a compressed page could not be searched for its scripts
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        try:
            await self.app(scope, body, answer)
        except HTTPException as error:
            await answer.refuse(error.status_code, error.detail)
        except ClientDisconnect:
            pass  # nobody is left to answer, and it is no fault for the log
        finally:
            body.forget()

    def _is_own(self, headers: Headers) -> bool:
        """Whether a request that changes something comes from our own page, or from no browser page at all."""
        origin = headers.get("origin")
        if origin in self.origins:
            return True
        if headers.get("sec-fetch-site", "none") in ("cross-site", "same-site"):
            return False
        return origin is None or urlsplit(origin).netloc == headers.get("host")

    def _policy(self, html: bytes) -> str:
        """The CSP. Gradio compiles templates (unsafe-eval) and styles elements inline; all else is closed."""
        hashes = [base64.b64encode(hashlib.sha256(s).digest()).decode() for s in INLINE_SCRIPT.findall(html)]
        scripts = " ".join(f"'sha256-{digest}'" for digest in dict.fromkeys(hashes))
        return (
            "default-src 'self'; "
            f"script-src 'self' 'unsafe-eval' {scripts}; "
            "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
            "connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; "
            f"frame-ancestors {self.frame_ancestors}"
        )

    def _strict(self, _: bytes) -> str:
        """The CSP of our own pages: scripts and styles are files, and nothing is compiled at run time."""
        return (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
            f"base-uri 'none'; form-action 'none'; frame-ancestors {self.frame_ancestors}"
        )


def _name_of(host: str) -> str:
    """A Host header without its port."""
    with contextlib.suppress(ValueError):
        return urlsplit(f"//{host}").hostname or ""
    return ""


class Refusal(HTTPException):
    """A body is too much of something; the detail is a sentence for the screen."""


class _Waiting:
    """The bytes of all bodies that are being received or answered."""

    def __init__(self, most: int) -> None:
        self.most, self.bytes = most, 0


class _Body:
    """``receive`` that counts and watches the clock, and raises a refusal when it is too much of either."""

    def __init__(self, receive: Receive, limit: int, waiting: _Waiting) -> None:
        self._receive, self._limit, self._waiting = receive, limit, waiting
        self._size, self._ends, self._is_whole = 0, time.monotonic() + WHOLE_SECONDS, False

    async def __call__(self) -> Message:
        if self._is_whole:
            return await self._receive()
        left = min(SILENT_SECONDS, self._ends - time.monotonic())
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0))
        except TimeoutError:
            raise Refusal(408, TOO_SLOW) from None
        self._is_whole = not message.get("more_body", False)
        size = len(message.get("body", b""))
        self._size += size
        self._waiting.bytes += size
        if self._size > self._limit:
            raise Refusal(413, TOO_LARGE)
        if self._waiting.bytes > self._waiting.most:
            raise Refusal(503, FULL)
        return message

    async def drain(self) -> None:
        """Let the rest go by, within bounds: a client whose sending is cut off may never see why."""
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SILENT_SECONDS):
                while not self._is_whole and size <= self._limit:
                    message = await self._receive()
                    size += len(message.get("body", b""))
                    self._is_whole = not message.get("more_body", False)

    def forget(self) -> None:
        """The request has been answered."""
        self._waiting.bytes -= self._size


class _Answer:
    """``send`` that adds the headers, and holds back pages until the hashes of their scripts are known.

    fresh: whether browsers must ask before they use a copy that they kept; else they mix the scripts of two versions.
    """

    def __init__(
        self, send: Send, body: _Body, policy: Callable[[bytes], str], head: bytes, language: str, fresh: bool
    ) -> None:
        self._send, self._body, self._policy, self._head, self._language = send, body, policy, head, language
        self._fresh = fresh
        self._page: Message | None = None
        self._html: list[bytes] = []
        self._started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            headers = MutableHeaders(raw=message["headers"])
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            headers["Cross-Origin-Opener-Policy"] = "same-origin"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=()"
            if self._fresh:
                headers.setdefault("Cache-Control", "no-cache")
            if headers.get("content-type", "").startswith("text/html"):
                self._page = message
                return
            headers["Content-Security-Policy"] = self._policy(b"")
        elif self._page is not None:
            self._html.append(message.get("body", b""))
            if message.get("more_body", False):
                return
            await self._send_page(self._page)
            return
        await self._send(message)

    async def refuse(self, status: int, sentence: str) -> None:
        """A short plain answer instead of the application's, unless that has begun."""
        if self._started:
            return
        content = texts_for(self._language).say(sentence).encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(content)).encode())]
        headers.append((b"connection", b"close"))
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": content, "more_body": True})
        await self._body.drain()
        await self({"type": "http.response.body", "body": b""})

    async def _send_page(self, start: Message) -> None:
        html = b"".join(self._html).replace(b"<head>", b"<head>" + self._head, 1)
        headers = MutableHeaders(raw=start["headers"])
        headers["Content-Length"] = str(len(html))
        headers["Content-Security-Policy"] = self._policy(html)
        await self._send(start)
        await self._send({"type": "http.response.body", "body": html})
