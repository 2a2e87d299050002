"""The login in front of every route, ours and Gradio's: by Gradio's own form, or by a header of a named proxy.

Gradio guards its own routes only, and lets anybody try passwords as often as he likes. Here nothing but what the login
page itself needs is open, and an address that has given too many wrong passwords has to wait.
"""

import re
import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from app.classroom.throttle import Throttle
from app.gate import App, Message, Receive, Scope, Send
from app.surface import PROBES
from app.texts import texts_for

TRIES, SECONDS = 10, 300.0  # wrong passwords from one address, and in what time as many more may follow
FORM = re.compile(
    r"/|/config|/login/?|/logout|/favicon\.ico|/robots\.txt|/theme\.css|/(?:assets|svelte|static|viewer)/.*"
)
FORM_API = re.compile(r"/gradio_api/(?:login_check|user|theme\.css|startup-events|app_id)/?")

WhoIs = Callable[[Headers], str | None]


class Door:
    """Lets through who has logged in.

    Args:
        app: what is behind the door.
        who: the name that a request's headers stand for, or None.
        has_form: whether there is Gradio's form to log in with; else only what a proxy says counts.
        clock: seconds, from any start.
    """

    def __init__(self, app: App, who: WhoIs, has_form: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.app, self.who, self.has_form = app, who, has_form
        self.wrong = Throttle(TRIES, SECONDS, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        root = scope.get("root_path", "")
        path = scope["path"].removeprefix(root) or "/"
        if self.has_form and path.rstrip("/") == "/login" and scope["method"] == "POST":
            await self._log_in(scope, receive, send, headers)
        elif path in PROBES or (self.has_form and _belongs_to_form(path)) or self.who(headers) is not None:
            await self.app(scope, receive, send)
        elif self.has_form and "text/html" in headers.get("accept", "") and scope["method"] == "GET":
            await RedirectResponse(f"{root}/", 303)(scope, receive, send)
        else:
            await _sentence("Log in first.", 401, headers)(scope, receive, send)

    async def _log_in(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        address = scope["client"][0] if scope.get("client") else ""
        if not self.wrong.take(address):  # given back below: many at the same time must not pass together
            sentence = "Too many wrong passwords came from here. Wait some minutes."
            await _sentence(sentence, 429, headers)(scope, receive, send)
            return

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                self.wrong.give(address)
            await send(message)

        await self.app(scope, receive, watch)


def by_header(name: str) -> WhoIs:
    """Who a proxy says it is."""
    return lambda headers: headers.get(name) or None


def by_cookie(tokens: Callable[[], dict[str, str]], cookie_id: str) -> WhoIs:
    """Whom Gradio gave the cookie to. tokens: the names by token, as Gradio has them now."""

    def who(headers: Headers) -> str | None:
        cookies = cookie_parser(headers.get("cookie", ""))
        names = (f"access-token-{cookie_id}", f"access-token-unsecure-{cookie_id}")
        return next((tokens()[cookies[name]] for name in names if cookies.get(name) in tokens()), None)

    return who


def _belongs_to_form(path: str) -> bool:
    return FORM.fullmatch(path) is not None or FORM_API.fullmatch(path) is not None


def _sentence(text: str, status: int, headers: Headers) -> Response:
    said = texts_for(headers.get("accept-language", "")[:100]).say(text)
    return PlainTextResponse(said, status, {"Cache-Control": "no-store"})
