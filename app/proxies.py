"""The outermost layer: who asks, under which name, behind which prefix.

What a reverse proxy says of the visitor (address, scheme, host, login) is believed only from the proxies that the
settings name, and taken out of everybody else's requests, so that no layer below has to ask. The prefix is taken off
whether the proxy has left it on or not.
"""

from ipaddress import ip_address

from starlette.datastructures import Headers
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.gate import App, Receive, Scope, Send

FORWARDED = (b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port", b"forwarded")


class Proxies:
    """Wraps the whole application.

    Args:
        app: what is behind it.
        proxies: addresses and networks; "*" for any.
        login_header: the header that only a proxy may set.
        root_path: the prefix.
    """

    def __init__(self, app: App, proxies: tuple[str, ...] = (), login_header: str = "", root_path: str = "") -> None:
        self.app, self.root_path = app, root_path
        self.told = ProxyHeadersMiddleware(self._enter, trusted_hosts=list(proxies))  # type: ignore[arg-type]
        self.private = {*FORWARDED, *([login_header.lower().encode()] if login_header else [])}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        peer = scope["client"][0] if scope.get("client") else ""
        if peer in self.told.trusted_hosts:
            host = Headers(scope=scope).get("x-forwarded-host", "").partition(",")[0].strip()
            if host:
                scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"host"]
                scope["headers"].append((b"host", host.encode()))
            if self.told.trusted_hosts.always_trust:
                chain = ",".join(Headers(scope=scope).getlist("x-forwarded-for"))
                scope["headers"] = [(name, value) for name, value in scope["headers"] if name != FORWARDED[0]]
                scope["headers"].append((FORWARDED[0], _visitor(chain).encode()))
            await self.told(scope, receive, send)  # type: ignore[arg-type]
        else:
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in self.private]
            await self._enter(scope, receive, send)

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.root_path:
            path = scope["path"]
            if path == self.root_path:  # addresses on the page are relative, and want the slash
                location = [(b"location", f"{self.root_path}/".encode())]
                await send({"type": "http.response.start", "status": 308, "headers": location})
                await send({"type": "http.response.body"})
                return
            if not path.startswith(f"{self.root_path}/"):
                path = self.root_path + path
            scope = {**scope, "path": path, "raw_path": path.encode(), "root_path": self.root_path}
        await self.app(scope, receive, send)


def _visitor(chain: str) -> str:
    """The last address that is not of a private network, where any proxy is believed: uvicorn would take the first.

    Proxies append whom they see; what stands before that the visitor may have written, to look like many.
    """
    addresses = [entry.strip() for entry in chain.split(",")]
    return next((entry for entry in reversed(addresses) if not _is_private(entry)), addresses[0])


def _is_private(address: str) -> bool:
    try:
        return ip_address(address).is_private
    except ValueError:  # with a port, or no address
        return False
