import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.proxies import Proxies

TOLD = {
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "page.example",
    "x-user": "ada",
}


async def show(request: Request) -> JSONResponse:
    return JSONResponse(
        {
            "client": request.client.host,
            "url": str(request.url),
            "user": request.headers.get("x-user"),
            "forwarded": request.headers.get("x-forwarded-for"),
        }
    )


def ask(path="/seen", peer="10.0.0.1", proxies=("10.0.0.0/8",), root_path="", told=TOLD, **options):
    inner = Starlette(routes=[Route("/", show), Route("/seen", show)])
    layer = Proxies(inner, proxies, "X-User", root_path)
    client = TestClient(layer, base_url="http://inside", client=(peer, 1))
    return client.get(path, headers=told, follow_redirects=False, **options)


def test_a_named_proxy_is_believed():
    found = ask().json()
    assert found["client"] == "203.0.113.7"
    assert found["url"] == "https://page.example/seen"
    assert found["user"] == "ada"


@pytest.mark.parametrize("chain", ["1.1.1.1, 8.8.8.8", "8.8.8.8", "1.1.1.1, 8.8.8.8, 10.0.0.9", "x, 8.8.8.8"])
def test_where_any_proxy_is_believed_a_visitor_cannot_look_like_many(chain):
    assert ask(proxies=("*",), told={"x-forwarded-for": chain}).json()["client"] == "8.8.8.8"
    two = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", chain)]
    assert ask(proxies=("*",), told=two).json()["client"] == "8.8.8.8"


def test_where_any_proxy_is_believed_what_it_says_of_the_address_is_too():
    found = ask(proxies=("*",), told={name: value for name, value in TOLD.items() if name != "x-forwarded-for"}).json()
    assert (found["client"], found["url"]) == ("10.0.0.1", "https://page.example/seen")
    assert ask(proxies=("*",), told={"x-forwarded-for": "10.1.1.1"}).json()["client"] == "10.1.1.1"


@pytest.mark.parametrize("proxies", [(), ("192.168.0.0/16",)])
def test_nobody_else_is(proxies):
    found = ask(proxies=proxies).json()
    assert found == {"client": "10.0.0.1", "url": "http://inside/seen", "user": None, "forwarded": None}


@pytest.mark.parametrize("path", ["/medmamba/seen", "/seen"])
def test_the_prefix_is_taken_off_whether_the_proxy_left_it_on_or_not(path):
    assert ask(path, root_path="/medmamba").json()["url"] == "https://page.example/medmamba/seen"


def test_the_prefix_alone_leads_to_the_page():
    answer = ask("/medmamba", root_path="/medmamba")
    assert (answer.status_code, answer.headers["location"]) == (308, "/medmamba/")
