"""The single checks of ``probe``: what a server must and must not do, seen from outside as any visitor sees it."""

import base64
import contextlib
import hashlib
import io
import json
import re
import secrets
import socket
import ssl
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx

EVIL = "https://evil.example"
CANARY = "DOE^JOHN_12345.dcm"
POSTS = (
    "pictures",
    "pictures/none/0/part",
    "archives",
    "examples/0",
    "learn/quizzes",
    "learn/quizzes/none/0",
    "learn/decks",
    "learn/drafts",
    "classroom/rooms",
    "classroom/rooms/AAAAAA/students",
    "classroom/rooms/AAAAAA/steps",
    "classroom/rooms/AAAAAA/projectors",
    "gradio_api/upload",
    "gradio_api/queue/join",
    "gradio_api/call/classify",
    "gradio_api/call/saliency",
    "gradio_api/call/models",
    "gradio_api/cancel",
    "login",
)
NOT_POSTS = (
    ("PUT", "classroom/rooms/AAAAAA/answers/0"),
    ("DELETE", "classroom/rooms/AAAAAA"),
    ("DELETE", "classroom/rooms/AAAAAA/student"),
    ("DELETE", "classroom/rooms/AAAAAA/student/name"),
    ("DELETE", "classroom/rooms/AAAAAA/names/1"),
    ("PUT", "classroom/rooms/AAAAAA/lock"),
    ("DELETE", "classroom/rooms/AAAAAA/lock"),
    ("DELETE", "pictures/none"),
)
CLOSED = (
    *("monitoring", "monitoring/summary", "docs", "redoc", "openapi.json", "metrics", "pwa_icon"),
    *(f"gradio_api/{path}" for path in ("openapi.json", "deep_link", "runs", "run-history/buckets", "dev/reload")),
    *(f"gradio_api/{path}" for path in ("profiling/summary", "vibe-code", "queue/status", "mcp/sse", "mcp")),
    *("gradio_api/proxy=https://huggingface.co", "gradio_api/file=/etc/passwd", "gradio_api/file=app/main.py"),
    *("viewer/%2e%2e/main.py", "assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "static/%2e%2e%2f%2e%2e%2fREADME.md"),
)
CLOSED_POSTS = ("gradio_api/component_server", "gradio_api/vibe-edit", "gradio_api/run/classify", "gradio_api/api/ask")
ENDPOINTS = {"/classify", "/saliency", "/models"}
INLINE = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)
MOST = 66 * 2**20  # bytes: above every body that a server of ours may be set to take


class Fault(Exception):
    """A check that does not hold; the message says what was seen."""


class Site:
    """A server under the probe. entry: headers that let the probe in, where there is a login."""

    def __init__(self, url: str, entry: dict[str, str]) -> None:
        self.url = url.rstrip("/") + "/"
        self.entry = {"cookie", *(name.lower() for name in entry)}
        self.client = httpx.Client(base_url=self.url, timeout=30, headers=entry)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def page(self, path: str = "") -> httpx.Response:
        answer = self.get(path, accept="text/html")
        _hold(answer.status_code == 200, f"{path or 'the page'} answers {answer.status_code}")
        return answer

    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("config").json()
        return found

    def raw(self, head: str, body: Iterator[bytes], limit: float = 30) -> int:
        """Status of a request written by hand, which stops sending as soon as an answer is there."""
        parts = urlsplit(self.url)
        plain = socket.create_connection((parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)))
        with contextlib.closing(_secured(plain, parts.hostname or "") if parts.scheme == "https" else plain) as line:
            usual = self.client.build_request("GET", "").headers.items()
            entry = "".join(f"{name}: {value}\r\n" for name, value in usual if name in self.entry)
            line.settimeout(0.001)
            answer, rest = b"", iter([f"{head}\r\nHost: {parts.netloc}\r\n{entry}\r\n".encode()])
            for part in (piece for source in (rest, body) for piece in source):
                with contextlib.suppress(TimeoutError):
                    answer = line.recv(4096)
                if answer:
                    break
                line.settimeout(limit)
                try:
                    line.sendall(part)
                except OSError:
                    break
                line.settimeout(0.001)
            line.settimeout(limit)
            answer = answer or line.recv(4096)
        found = re.match(rb"HTTP/1\.[01] (\d+)", answer)
        return int(found[1]) if found else 0


def _secured(plain: socket.socket, host: str) -> socket.socket:
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _hold(condition: bool, sentence: str) -> None:
    if not condition:
        raise Fault(sentence)


def _policy(answer: httpx.Response) -> dict[str, list[str]]:
    words = [part.split() for part in answer.headers.get("content-security-policy", "").split(";") if part.strip()]
    return {name: values for name, *values in words}


def page_policy(site: Site) -> None:
    """CSP of the page: its own sources only, no inline script but by hash, no objects, no foreign base or form"""
    answer = site.page()
    policy = _policy(answer)
    _hold(policy.get("default-src") == ["'self'"], "no default-src 'self'")
    _hold(policy.get("object-src") == ["'none'"], "objects are allowed")
    _hold(policy.get("base-uri") == ["'self'"] and policy.get("form-action") == ["'self'"], "foreign base or form")
    scripts = policy.get("script-src", [])
    _hold("'unsafe-inline'" not in scripts and "*" not in scripts, "any script may run")
    found = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in INLINE.findall(answer.text)}
    _hold({f"'sha256-{digest}'" for digest in found} == {s for s in scripts if "sha256" in s}, "hashes differ")


def strict_policy(site: Site) -> None:
    """CSP of our own pages: no inline script or style, nothing compiled"""
    for page in ("classroom/", "classroom/teach", "classroom/projector"):
        policy = _policy(site.page(page))
        _hold(policy.get("default-src") == ["'none'"], f"{page} has no default-src 'none'")
        _hold("unsafe" not in str(policy), f"{page} allows inline or compiled scripts")


def frames(site: Site) -> None:
    """frame-ancestors on every page"""
    for page in ("", "classroom/", "classroom/teach"):
        _hold(bool(_policy(site.page(page)).get("frame-ancestors")), f"{page or 'the page'} may be framed by anybody")


def headers(site: Site) -> None:
    """nosniff, referrer, opener and permissions policy and a CSP on every answer, refusals included"""
    wanted = ("referrer-policy", "cross-origin-opener-policy", "permissions-policy", "content-security-policy")
    for path in ("", "config", "texts/en", "viewer/main.js", "nothing-here", "pictures/none/0", "gradio_api/nothing"):
        answer = site.get(path)
        _hold(answer.headers.get("x-content-type-options") == "nosniff", f"/{path} lacks nosniff")
        _hold(all(name in answer.headers for name in wanted), f"/{path} lacks one of {', '.join(wanted)}")
    refused = site.client.post("pictures", content=b"x", headers={"origin": EVIL})
    _hold(refused.headers.get("x-content-type-options") == "nosniff", "a refusal lacks nosniff")


def server_name(site: Site) -> None:
    """no header tells which server runs, in which version"""
    answer = site.get("")
    _hold(not {"server", "x-powered-by"} & set(answer.headers), "there is a server or x-powered-by header")


def cors(site: Site) -> None:
    """CORS: no foreign origin is let in, on simple requests and on preflights"""
    for path in ("", "config", "gradio_api/info", "texts/en"):
        allowed = site.get(path, origin=EVIL).headers.get("access-control-allow-origin", "")
        _hold(allowed not in ("*", EVIL), f"/{path} lets {allowed} in")
    asked = {"origin": EVIL, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    for path in ("pictures", "gradio_api/upload", "gradio_api/queue/join"):
        allowed = site.client.options(path, headers=asked).headers.get("access-control-allow-origin", "")
        _hold(allowed not in ("*", EVIL), f"a preflight for /{path} is granted")


def _foreign(**headers: str) -> Callable[[Site], None]:
    def check(site: Site) -> None:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        for method, path in (*(("POST", path) for path in POSTS), *NOT_POSTS):
            status = site.client.request(method, path, content=b"", headers=given).status_code
            _hold(status == 403, f"{method} /{path} answers {status}")

    return check


def host(site: Site) -> None:
    """a request for another host's name is refused (DNS rebinding)"""
    status = site.get("", host="evil.example").status_code
    _hold(status in (400, 403, 404, 421), f"the page is given to evil.example, status {status}")


def declared_body(site: Site) -> None:
    """body cap: a request that declares too much is refused before it is sent"""
    for path in ("pictures", "learn/drafts", "gradio_api/upload", "gradio_api/queue/join"):
        status = site.raw(f"POST {site.client.base_url.raw_path.decode()}{path} HTTP/1.1\r\n{_length(MOST)}", iter(()))
        _hold(status == 413, f"/{path} answers {status}")


def _length(length: int) -> str:
    return f"Content-Type: application/octet-stream\r\nContent-Length: {length}"


def endless_body(site: Site) -> None:
    """body cap: a request without a length is cut off when it grows too large"""
    chunk = b"%x\r\n%s\r\n" % (2**18, bytes(2**18))
    head = "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked"
    for path in ("pictures", "gradio_api/upload"):
        body = (chunk for _ in range(MOST // 2**18))
        status = site.raw(f"POST {site.client.base_url.raw_path.decode()}{path} HTTP/1.1\r\n{head}", body)
        _hold(status == 0 or 400 <= status < 500, f"/{path} answers {status}")  # 0: closed without a word
        _hold(site.get("healthz").status_code == 200, "the server does not answer afterwards")


def many_files(site: Site) -> None:
    """body cap: it holds for the whole request, not for each file of it"""
    files = [("files", (f"{number}.png", bytes(2**20))) for number in range(MOST >> 20)]
    request = site.client.build_request("POST", "gradio_api/upload", files=files)
    kind, length = (request.headers[name] for name in ("content-type", "content-length"))
    head = f"POST {request.url.raw_path.decode()} HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {length}"
    content = request.read()
    status = site.raw(head, (content[start : start + 2**18] for start in range(0, len(content), 2**18)))
    _hold(status == 413, f"{len(files)} files of 1 MB are answered {status}" if status else "there is no answer")


def names(site: Site) -> None:
    """stored names are neutral: an upload's own name is in no answer"""
    for name in (CANARY, "Müller, Änne.png", "../../escape.png"):
        answer = site.client.post("gradio_api/upload", files={"files": (name, b"\x89PNG\r\n\x1a\n")})
        _hold(answer.status_code == 200, f"an upload is answered {answer.status_code}")
        _hold("DOE" not in answer.text and "ller" not in answer.text and "escape" not in answer.text, "a name is kept")


def served_back(site: Site) -> None:
    """an upload is not served back"""
    answer = site.client.post("gradio_api/upload", files={"files": ("a.html", b"<script>alert(1)</script>")})
    for path in json.loads(answer.text):
        status = site.get(f"gradio_api/file={path}").status_code
        _hold(status in (403, 404), f"an uploaded page is served, status {status}")


def closed(site: Site) -> None:
    """no monitoring, API pages, run history, proxy, files, editor, MCP: closed paths answer 403 or 404"""
    for path in CLOSED:
        status = site.get(path).status_code
        _hold(status in (403, 404), f"/{path} answers {status}")
    for path in CLOSED_POSTS:
        status = site.client.post(path, json={}).status_code
        _hold(status in (403, 404), f"POST /{path} answers {status}")


def endpoints(site: Site) -> None:
    """no API beyond the documented endpoints"""
    found = set(site.get("gradio_api/info").json()["named_endpoints"])
    _hold(found == ENDPOINTS, f"there are {', '.join(sorted(found ^ ENDPOINTS))}, or they are missing")
    for path in ("gradio_api/call/ask", "gradio_api/call/predict", "gradio_api/call/v2/run"):
        status = site.client.post(path, json={"data": []}).status_code
        _hold(status == 404, f"POST /{path} answers {status}")


def analytics(site: Site) -> None:
    """no analytics, no run history, no sharing"""
    config = site.config()
    _hold(not config.get("analytics_enabled"), "analytics are on")
    _hold(not config.get("run_history"), "run history is on")
    _hold(not config.get("footer_links"), "the footer links to API or settings pages")


def foreign_hosts(site: Site) -> None:
    """the page names no other host for scripts, styles or fonts"""
    found = re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["'](?:https?:)?//([^/"']+)""", site.page().text)
    own = urlsplit(site.url).netloc
    _hold(set(found) <= {own}, f"it names {', '.join(sorted(set(found) - {own}))}")


def private(site: Site) -> None:
    """what a visitor sent is not to be stored by browser or proxy"""
    answer = site.client.post("pictures", content=b"no picture")
    shown = site.get(f"pictures/{answer.text}/0")
    for got in (answer, shown):
        _hold("no-store" in got.headers.get("cache-control", ""), "Cache-Control: no-store is missing")


def quiet(site: Site) -> None:
    """errors tell no path, no traceback and no version"""
    with io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(CANARY, "no picture")
        bodies = (b"{", b"null", b'{"data": [[[[]]]], "fn_index": 99}', buffer.getvalue())
    for path in (
        "learn/quizzes",
        "learn/decks",
        "gradio_api/queue/join",
        "gradio_api/call/classify",
        "gradio_api/cancel",
    ):
        for body in bodies:
            answer = site.client.post(path, content=body, headers={"content-type": "application/json"})
            found = re.search(r"Traceback|File \"|site-packages|/home/|/tmp/|DOE\^", answer.text)
            _hold(found is None, f"POST /{path} tells {found[0] if found else ''}")
            _hold(answer.status_code < 500, f"POST /{path} answers {answer.status_code}")


def cookies(site: Site) -> None:
    """cookies, if any, are HttpOnly and not sent along from other sites' pages"""
    for path in ("", "config", "classroom/", "login"):
        for cookie in site.get(path, accept="text/html").headers.get_list("set-cookie"):
            _hold("httponly" in cookie.lower(), "a cookie is open to scripts")
            _hold("samesite=none" not in cookie.lower() or "secure" in cookie.lower(), "a cookie goes along everywhere")


def methods(site: Site) -> None:
    """TRACE and methods nobody knows are refused"""
    for method in ("TRACE", "PROPFIND"):
        status = site.client.request(method, "").status_code
        _hold(status in (403, 404, 405, 501), f"{method} answers {status}")


def health(site: Site) -> None:
    """/healthz and /readyz answer, and tell nothing else"""
    for path in ("healthz", "readyz"):
        answer = site.get(path)
        _hold(answer.status_code == 200, f"/{path} answers {answer.status_code}")
        _hold(len(answer.text) < 64, f"/{path} tells more than its state")


def login(site: Site) -> None:
    """login: wrong passwords are throttled, and nothing but the door is open without one (or there is no login)"""
    with httpx.Client(base_url=site.url, timeout=30) as stranger:
        if stranger.get("config").status_code == 200:
            return
        for path in ("texts/en", "gradio_api/info", "examples", "learn/decks", "classroom/decks"):
            status = stranger.get(path).status_code
            _hold(status in (401, 403), f"/{path} answers {status} without a login")
        status = stranger.post("pictures", content=b"x").status_code
        _hold(status in (401, 403), f"POST /pictures answers {status} without a login")
        wrong = {"username": "probe", "password": secrets.token_hex(8)}
        seen = {stranger.post("login", data=wrong).status_code for _ in range(30)}
        _hold(429 in seen or seen <= {401, 403, 404, 405}, f"30 wrong passwords were answered {sorted(seen)}")


own_origin = _foreign(origin=EVIL)
own_origin.__doc__ = "a POST (PUT, DELETE) of a foreign Origin is refused, on each route"
null_origin = _foreign(origin="null")
null_origin.__doc__ = "so is one of the Origin null"
fetch_site = _foreign(sec_fetch_site="cross-site")
fetch_site.__doc__ = "so is one that the browser marks as cross-site"

CHECKS: tuple[Callable[[Site], None], ...] = (
    *(health, page_policy, strict_policy, frames, headers, server_name, cors, own_origin, null_origin, fetch_site),
    *(host, declared_body, endless_body, many_files, names, served_back, closed, endpoints, analytics, foreign_hosts),
    *(private, quiet, cookies, methods, login),
)
