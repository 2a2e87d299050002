"""The ASGI layer in front of everything: what Gradio's ``launch`` cannot set.

Security headers on every answer, with the hashes of the page's own inline scripts in the CSP; refusal of requests that
other sites' pages send; a cap on the bytes of a whole request; neutral names for uploaded files.
"""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException

from app.texts import texts_for

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TOO_LARGE = "What was sent is too large. Export one picture or fewer frames of it."
READING = {"GET", "HEAD", "OPTIONS"}
INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
PART_NAME = re.compile(rb'(?i)(content-disposition:[^\r\n]*?;\s*filename)(\*?)=(?:"(?:\\.|[^"\\\r\n])*"|[^;\r\n]*)')


class Gate:
    """Wraps the whole application.

    Args:
        app: what is behind the gate.
        max_body: most bytes of one request's body.
        origins: origins other than the server's own whose pages may send requests.
        frame_ancestors: who may show the page in a frame, as in CSP.
        head: HTML put first in the head of Gradio's pages; its own comes only after its scripts have run.
        own: where our own pages begin, which need neither ``head`` nor Gradio's exceptions from the CSP.
    """

    def __init__(
        self,
        app: App,
        max_body: int,
        origins: tuple[str, ...] = (),
        frame_ancestors: str = "'none'",
        head: str = "",
        own: str = "/classroom/",
    ) -> None:
        self.app, self.max_body, self.origins, self.frame_ancestors = app, max_body, origins, frame_ancestors
        self.head, self.own = head.encode(), own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return  # nothing here speaks it
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_own_page = scope["path"].startswith(self.own)
        policy, head = (self._strict, b"") if is_own_page else (self._policy, self.head)
        answer = _Answer(send, policy, head, headers.get("accept-language", ""))
        if scope["method"] not in READING and not self._is_own(headers):
            await answer.refuse(403, "This request came from another site's page.")
            return
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.max_body:
            await answer.refuse(413, TOO_LARGE)
            return
        if "text/html" in headers.get("accept", ""):  # a compressed page could not be searched for its scripts
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        body = _Body(receive, self.max_body)
        try:
            if headers.get("content-type", "").startswith("multipart/form-data"):
                receive = await body.with_neutral_names(scope, headers)
            else:
                receive = body
            await self.app(scope, receive, answer)
        except HTTPException as error:
            await answer.refuse(error.status_code, error.detail)

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


class _Body:
    """``receive`` that counts, and raises what becomes an answer 413 when the body grows past the cap."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._left = receive, limit

    async def __call__(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413, TOO_LARGE)
        return message

    async def with_neutral_names(self, scope: Scope, headers: Headers) -> Receive:
        """Reads the multipart body and hands it on with every file named ``upload``: a name may be a patient's."""
        boundary = headers["content-type"].partition("boundary=")[2].strip().strip('"').encode()
        chunks, more = [], True
        while more:
            message = await self()
            chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = neutral_names(b"".join(chunks), boundary)
        scope["headers"] = [
            (name, str(len(body)).encode() if name == b"content-length" else value) for name, value in scope["headers"]
        ]
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await self()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replay


class _Answer:
    """``send`` that adds the headers, and holds back pages until the hashes of their scripts are known."""

    def __init__(self, send: Send, policy: Callable[[bytes], str], head: bytes, language: str) -> None:
        self._send, self._policy, self._head, self._language = send, policy, head, language
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
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": texts_for(self._language).say(sentence).encode()})

    async def _send_page(self, start: Message) -> None:
        html = b"".join(self._html).replace(b"<head>", b"<head>" + self._head, 1)
        headers = MutableHeaders(raw=start["headers"])
        headers["Content-Length"] = str(len(html))
        headers["Content-Security-Policy"] = self._policy(html)
        await self._send(start)
        await self._send({"type": "http.response.body", "body": html})


def neutral_names(body: bytes, boundary: bytes) -> bytes:
    """A multipart body whose files are all named ``upload``. Only the headers of parts are touched."""
    delimiter = b"--" + boundary
    parts = body.split(delimiter)
    for i, part in enumerate(parts):
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank:
            parts[i] = PART_NAME.sub(rb'\1="upload"', head) + blank + content
    return delimiter.join(parts)
