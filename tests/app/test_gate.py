import asyncio
import hashlib
import re
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.gate import Gate
from app.neutral import NeutralNames, neutral_names

SCRIPTS = "<script>let a = 1;</script><script src='x.js'></script><script type=module>let b;</script>"
PAGE = f"<head></head><p>Hello</p>{SCRIPTS}"


async def page(request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE)


async def script(request: Request) -> PlainTextResponse:
    kept = {"Cache-Control": "no-store"} if "kept" in request.url.path else {}
    return PlainTextResponse("let a;", headers=kept)


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


@pytest.fixture
def client():
    own = Route("/classroom/teach", page)
    scripts = [Route(f"/{folder}/{{name}}", script) for folder in ("viewer", "classroom", "assets")]
    inner = Starlette(routes=[Route("/", page), own, *scripts, Route("/echo", echo, methods=["POST"])])
    whole = Gate(NeutralNames(inner), max_body=1000, origins=("https://friend.example",), head="<b>", most_waiting=1500)
    with TestClient(whole, base_url="http://own") as client:
        yield client


def test_every_answer_has_the_headers_and_pages_have_the_hashes_of_their_scripts(client):
    answer = client.get("/", headers={"accept": "text/html"})
    assert answer.text == PAGE.replace("<head>", "<head><b>")
    assert answer.headers["x-content-type-options"] == "nosniff"
    policy = answer.headers["content-security-policy"]
    for script in (b"let a = 1;", b"let b;"):
        assert f"'sha256-{b64encode(hashlib.sha256(script).digest()).decode()}'" in policy
    assert policy.count("sha256-") == 2
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["permissions-policy"].startswith("camera=(self),")
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert "nosniff" in client.post("/echo", content=b"x").headers["x-content-type-options"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/viewer/main.js", "no-cache"),
        ("/classroom/room.js", "no-cache"),
        ("/classroom/kept", "no-store"),
        ("/assets/a1b2.js", None),
    ],
)
def test_a_new_version_s_scripts_do_not_mix_with_those_that_a_browser_has_kept(client, path, said):
    assert client.get(path).headers.get("cache-control") == said


def test_our_own_pages_may_neither_compile_scripts_nor_hold_any(client):
    answer = client.get("/classroom/teach", headers={"accept": "text/html"})
    assert answer.text == PAGE
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://own", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "https://friend.example", "sec-fetch-site": "cross-site"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_only_our_own_pages_may_send(client, headers, status):
    assert client.post("/echo", content=b"x", headers=headers).status_code == status


def test_bodies_are_capped_with_and_without_a_length(client):
    assert client.post("/echo", content=b"x" * 1000).status_code == 200
    assert client.post("/echo", content=b"x" * 1001).status_code == 413
    assert client.post("/echo", content=(b"x" * 400 for _ in range(3))).status_code == 413


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=B", 'Multipart/Form-Data; Boundary="B"'])
def test_uploads_lose_their_names(client, content_type):
    head = b'--B\r\nContent-Disposition: form-data; name="files"; filename="DOE^JOHN_12345.dcm"\r\n\r\n'
    content = b'\r\nContent-Disposition: form-data; filename="inside"\r\n\r\nkept'
    body = head + content + b"\r\n--B--\r\n"
    answer = client.post("/echo", content=body, headers={"content-type": content_type})
    assert "DOE" not in answer.text
    assert re.search(r'filename="upload-[0-9a-f]{16}"', answer.text)
    assert 'filename="inside"' in answer.text


@pytest.mark.parametrize(
    "given",
    [
        b'Content-Disposition: form-data; name="files"; filename="DOE b.png"',
        b'Content-Disposition: form-data; name="files"; filename="DOE\\"b"',
        b'content-disposition:form-data;filename=DOE;name="files"',
        b"Content-Disposition: form-data; name=\"files\"; filename*=UTF-8''DOE%C3%BCller",
        b'Content-Disposition : form-data; name="files"; filename="DOE"',
        b'Content-Disposition: form-data; name="files"; FileName = "DOE;DOE"',
        b'Content-Disposition: form-data; name="files"; filename=a; filename=DOE',
        b'Content-Disposition: form-data; name="files"; x=\n; filename=DOE',
        b'Content-Disposition: form-data; x=--B; name="files"; filename=DOE',
    ],
)
def test_all_ways_to_write_a_name_are_replaced(given):
    rest = b"\r\nX: y\r\n\r\ndata\r\n--B--\r\n"
    neutral = neutral_names(b"--B\r\n" + given + rest, b"B")
    expected = b'--B\r\nContent-Disposition: form-data; name="files"; filename="upload-'
    assert neutral.startswith(expected)
    assert neutral[len(expected) + 16 :] == b'"' + rest


def test_fields_keep_theirs_and_no_two_files_are_named_alike():
    field = b'--B\r\nContent-Disposition: form-data; name="password"\r\n\r\nfilename\r\n'
    file = b'--B\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nx\r\n'
    neutral = neutral_names(field + file + file + b"--B--\r\n", b"B")
    assert neutral.startswith(field)
    assert len(set(re.findall(rb"upload-\w+", neutral))) == 2
    assert neutral_names(b"no part at all", b"B") == b"no part at all"


@pytest.mark.parametrize("content_type", [b"multipart/form-data; boundary=B", b"text/plain"])
def test_half_a_body_is_no_body_and_no_fault(content_type):
    messages = iter([{"type": "http.request", "body": b"--B", "more_body": True}, {"type": "http.disconnect"}])
    answered = []

    async def receive():
        return next(messages)

    async def echoed(scope, receive, send):
        answered.append(await Request(scope, receive).body())

    async def nowhere(message):
        answered.append(message)

    headers = [(b"content-type", content_type)]
    scope = {"type": "http", "method": "POST", "path": "/echo", "headers": headers, "query_string": b""}
    asked = Gate(NeutralNames(echoed), max_body=1000)(scope, receive, nowhere)
    with ThreadPoolExecutor(1) as thread:  # where no loop runs, as the browser's does in a test's own
        thread.submit(asyncio.run, asked).result()
    assert answered == []


def test_refusals_speak_the_visitors_language(client):
    refused = client.post("/echo", content=b"x" * 1001, headers={"accept-language": "de-AT,de;q=0.9"})
    assert refused.status_code == 413
    assert refused.text.startswith("Das Gesendete ist zu groß.")


def test_all_bodies_together_are_capped(client):
    whole = client.app
    whole.waiting.bytes = 1200
    refused = client.post("/echo", content=b"x" * 400)
    assert refused.status_code == 503
    assert "full" in refused.text
    whole.waiting.bytes = 0
    assert client.post("/echo", content=b"x" * 400).status_code == 200
    assert whole.waiting.bytes == 0


def test_what_is_not_offered_is_not_there_and_other_hosts_are_not_served():
    paths = ("/", "/monitoring", "/gradio_api/vibe", "/healthz")
    inner = Starlette(routes=[Route(path, page) for path in paths])
    with TestClient(Gate(inner, max_body=1000, hosts=("own",)), base_url="http://own:7860") as client:
        assert client.get("/").status_code == 200
        assert client.get("/monitoring").status_code == 404
        assert client.get("/gradio_api/vibe").status_code == 404
        assert client.get("/", headers={"host": "evil.example"}).status_code == 421
        assert client.get("/healthz", headers={"host": "10.0.0.7:7860"}).status_code == 200
