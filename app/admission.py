"""Refuses pictures before they are sent when too many are under way: a layer around everything that takes them."""

import re

from app.engine import FULL
from app.gate import App, Receive, Refusal, Scope, Send
from app.line import Line

TAKES_PICTURES = re.compile(r"/(?:pictures(?:/[^/]+/[^/]+/part)?|archives|examples/\d+|gradio_api/upload)/?")


class Admission:
    """Wraps an application; raises ``Refusal`` with 503, to be turned into an answer by the gate around it."""

    def __init__(self, app: App, line: Line) -> None:
        self.app, self.line = app, line

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_picture = scope["type"] == "http" and scope["method"] == "POST" and _takes_pictures(scope)
        if not is_picture:
            await self.app(scope, receive, send)
            return
        if self.line.is_full():
            raise Refusal(503, FULL)
        with self.line.sending():
            await self.app(scope, receive, send)


def _takes_pictures(scope: Scope) -> bool:
    return TAKES_PICTURES.fullmatch(scope["path"].removeprefix(scope.get("root_path", ""))) is not None
