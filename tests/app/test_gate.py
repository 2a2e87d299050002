import hashlib
from base64 import b64encode

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


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


@pytest.fixture
def client():
    own = Route("/classroom/teach", page)
    inner = Starlette(routes=[Route("/", page), own, Route("/echo", echo, methods=["POST"])])
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


def test_uploads_lose_their_names(client):
    name = "DOE^JOHN_12345.dcm"
    content = b'\r\nContent-Disposition: form-data; filename="inside"\r\n\r\nkept'
    answer = client.post("/echo", files={"files": (name, content)})
    assert name not in answer.text
    assert 'filename="upload"' in answer.text
    assert 'filename="inside"' in answer.text


@pytest.mark.parametrize(
    "given", [b'filename="a b.png"', b'filename="a\\"b"', b"filename=plain", b"filename*=UTF-8''M%C3%BCller"]
)
def test_all_ways_to_write_a_name_are_replaced(given):
    body = b'--B\r\nContent-Disposition: form-data; name="files"; ' + given + b"\r\nX: y\r\n\r\ndata\r\n--B--\r\n"
    assert neutral_names(body, b"B") == (
        b'--B\r\nContent-Disposition: form-data; name="files"; filename="upload"\r\nX: y\r\n\r\ndata\r\n--B--\r\n'
    )


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
