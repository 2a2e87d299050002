"""Uploads lose their names: a layer around Gradio, which would keep them in paths, addresses and its log."""

import re

from starlette.datastructures import Headers

from app.gate import App, Message, Receive, Scope, Send

PART_NAME = re.compile(rb'(?i)(content-disposition:[^\r\n]*?;\s*filename)(\*?)=(?:"(?:\\.|[^"\\\r\n])*"|[^;\r\n]*)')


class NeutralNames:
    """Wraps an application: every file of a multipart body is named ``upload``, since a name may be a patient's."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            content = Headers(scope=scope).get("content-type", "")
            if content.startswith("multipart/form-data"):
                receive = await self._renamed(scope, receive, content)
        await self.app(scope, receive, send)

    @staticmethod
    async def _renamed(scope: Scope, receive: Receive, content: str) -> Receive:
        boundary = content.partition("boundary=")[2].partition(";")[0].strip().strip('"').encode()
        chunks, more = [], True
        while more:
            message = await receive()
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
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replay


def neutral_names(body: bytes, boundary: bytes) -> bytes:
    """A multipart body whose files are all named ``upload``. Only the headers of parts are touched."""
    delimiter = b"--" + boundary
    parts = body.split(delimiter)
    for i, part in enumerate(parts):
        head, blank, content = part.partition(b"\r\n\r\n")
        if blank:
            parts[i] = PART_NAME.sub(rb'\1="upload"', head) + blank + content
    return delimiter.join(parts)
