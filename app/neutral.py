"""Uploads lose their names: a layer around Gradio, which would keep them in paths, addresses and its log."""

import re
import secrets

from python_multipart.multipart import DEFAULT_MAX_HEADER_COUNT, DEFAULT_MAX_HEADER_SIZE, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from app.gate import App, Message, Receive, Scope, Send

MOST_PARTS = 2000  # Gradio takes 1000 files and 1000 fields; what it refuses, as longer heads, stays as it is
NAMED = re.compile(rb"(?i);\s*filename")


class NeutralNames:
    """Wraps an application: every file of a multipart body gets a name by chance, since its own may be a patient's.

    Never the same twice: Gradio's path of a file is made of its content and its name, and whoever has read his file
    deletes it. Headers are read by the parser that Gradio itself uses, so that both see the same names.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            kind, options = parse_options_header(Headers(scope=scope).get("content-type"))
            if kind == b"multipart/form-data":
                receive = await self._renamed(scope, receive, options.get(b"boundary", b""))
        await self.app(scope, receive, send)

    @staticmethod
    async def _renamed(scope: Scope, receive: Receive, boundary: bytes) -> Receive:
        chunks, more = [], True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunks.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = await run_in_threadpool(neutral_names, b"".join(chunks), boundary)
        scope["headers"] = [
            (name, str(len(body)).encode() if name == b"content-length" else value) for name, value in scope["headers"]
        ]
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replay


def neutral_names(body: bytes, boundary: bytes) -> bytes:
    """A multipart body whose files are named ``upload-`` and 16 digits. Only the headers of parts are touched."""
    first = b"--" + boundary
    preamble, start, rest = body.partition(first)
    delimiter = b"\r\n" + first
    return preamble + start + delimiter.join(_neutral_part(part) for part in rest.split(delimiter, MOST_PARTS))


def _neutral_part(part: bytes) -> bytes:
    head, blank, content = part.partition(b"\r\n\r\n")
    if not blank:
        return part
    headers = head.split(b"\r\n", DEFAULT_MAX_HEADER_COUNT + 1)
    return b"\r\n".join(map(_neutral_header, headers)) + blank + content


def _neutral_header(header: bytes) -> bytes:
    field, _, value = header.partition(b":")
    is_disposition = field.strip().lower() == b"content-disposition" and len(header) <= DEFAULT_MAX_HEADER_SIZE
    if not is_disposition or not NAMED.search(value):
        return header
    name = parse_options_header(value)[1].get(b"name", b"").translate(None, b'"\\')  # of a field: none has these
    return b'Content-Disposition: form-data; name="%b"; filename="upload-%b"' % (name, secrets.token_hex(8).encode())
