"""The probe against the real server, where all must hold, and against bare ones, where it must say so."""

import socket
import threading
import time
from contextlib import contextmanager

import gradio as gr
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.routing import APIRoute
from gradio_client import Client, handle_file

from app import cli
from app.probe_checks import CHECKS, NOT_POSTS, POSTS, Fault, Site, many_files
from tests.app.conftest import Running


@contextmanager
def served(application):
    """The address of an application that runs meanwhile."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()


def test_the_server_holds_everything(checkpoint_root, capsys):
    with Running(checkpoint_root) as running:  # its own: a probe leaves uploads, which are swept a minute later
        running.service.warm()
        status = cli.main(["probe", running.address])
    told = capsys.readouterr().out
    assert "FAILS" not in told
    assert told.endswith(f"{len(CHECKS)} of {len(CHECKS)}\n")
    assert status == 0


def test_a_bare_server_holds_next_to_nothing(capsys, tmp_path, monkeypatch):
    """Gradio as it comes, with a form of our own that asks nobody where a request is from."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    with gr.Blocks() as page:
        gr.Button().click(lambda: "/tmp/x", outputs=gr.Textbox(), api_name="anything")
    bare = gr.mount_gradio_app(FastAPI(), page, path="/", ssr_mode=False)
    bare.add_api_route("/pictures", lambda: "token", methods=["POST"])
    with served(bare) as address:
        assert cli.main(["probe", address]) == 1
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if line.startswith("FAILS")]
    words = " ".join(failed)
    for part in (
        "CSP of the page",
        "frame-ancestors",
        "nosniff",
        "foreign Origin",
        "cross-site",
        "body cap",
        "stored names",
        "run history",
        "documented endpoints",
        "/healthz",
        "another host",
    ):
        assert part in words
    assert lines[-1] == f"{len(CHECKS) - len(failed)} of {len(CHECKS)}"


def test_an_address_without_a_server_is_said(capsys):
    assert cli.main(["probe", "http://127.0.0.1:9"]) == 2
    assert "does not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "http://"),
        (["ftp://127.0.0.1/"], "http://"),
        (["http://"], "http://"),
        (["http://127.0.0.1:port/"], "http://"),
        (["http://127.0.0.1:9", "--header", "foo"], "NAME:VALUE"),
        (["http://127.0.0.1:9", "--header", "X-User: Änne"], "NAME:VALUE"),
    ],
)
def test_arguments_that_are_none_are_said(arguments, said, capsys):
    assert cli.main(["probe", *arguments]) == 2
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""


@pytest.mark.parametrize("status", [413, 200, 0])
def test_many_files_have_to_be_refused_in_so_many_words(status):
    """Closing the connection without an answer, as a server that has crashed does, is none; 0 stands for that."""
    asked = []

    def serve():
        line, _ = listener.accept()
        with line:
            while b"\r\n\r\n" not in b"".join(asked):
                asked.append(line.recv(65536))
            if status:
                line.sendall(f"HTTP/1.1 {status} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                time.sleep(0.2)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        site = Site(f"http://127.0.0.1:{listener.getsockname()[1]}/page", {"X-User": "ada"})
        try:
            many_files(site)
            held = True
        except (Fault, OSError):
            held = False
        thread.join()
        site.client.close()
    assert held == (status == 413)
    head = b"".join(asked).decode(errors="replace").lower()
    assert head.startswith("post /page/gradio_api/upload http/1.1")
    assert "x-user: ada" in head  # where a login is by header, it needs it too


def test_every_route_that_changes_something_is_probed(running):
    """A route added to the server has to be added to the probe."""
    own = running.server.config.app.server.routes
    inner = [route for entry in own if hasattr(entry, "original_router") for route in entry.original_router.routes]
    routes = [route for route in [*own, *inner] if isinstance(route, APIRoute)]
    changing = [(method, route) for route in routes for method in route.methods if method not in ("GET", "HEAD")]
    assert len(changing) > 10
    asked = [*(("POST", path) for path in POSTS), *NOT_POSTS]
    missed = [
        (method, route.path)
        for method, route in changing
        if not any(method == m and route.path_regex.match(f"/{path}") for m, path in asked)
    ]
    assert missed == []


def test_behind_a_prefix_everything_holds_too(checkpoint_root, capsys, png, tmp_path):
    with Running(checkpoint_root, root_path="/medmamba") as running:
        running.service.warm()
        status = cli.main(["probe", f"{running.address}medmamba/"])
        told = capsys.readouterr().out
        assert "FAILS" not in told
        assert status == 0
        (tmp_path / "picture").write_bytes(png())
        client = Client(f"{running.address}medmamba/", verbose=False, analytics_enabled=False)
        assert client.predict(handle_file(str(tmp_path / "picture")), None, 0, None, api_name="/classify")["task"]
        client.close()
