"""The hub, played by a small server on this machine: what is asked of it, and what it is sent."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from medmamba import checkpoints, push
from medmamba.tasks import OutputLayout

ROOT = Path(__file__).parents[1]
SHA = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Knows one repository, ``lab/net``."""

    files: dict[str, bytes]
    asked: list[str]
    address: str

    def answer(self, value, status=200, **headers):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"content-length": str(len(body)), "content-type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        self.asked.append(self.path)
        if self.path.startswith("/api/models/lab/net/tree/"):
            listed = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in self.files.items()
            ]
            self.answer(listed)
        elif self.path.startswith("/api/models/lab/net"):
            self.answer({"id": "lab/net", "sha": SHA, "siblings": [{"rfilename": name} for name in self.files]})
        elif self.path.startswith("/lab/net/resolve/") and (name := self.path.rsplit("/", 1)[1]) in self.files:
            data = self.files[name]
            self.answer(data, etag=f'"{hashlib.sha1(data).hexdigest()}"', x_repo_commit=SHA)
        else:
            self.answer({"error": "Repository not found"}, 404, x_error_code="RepoNotFound")

    do_HEAD = do_GET

    def do_POST(self):
        self.asked.append(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path == "/api/repos/create":
            self.answer({"url": f"{self.address}/lab/net"})
        elif self.path.endswith("/preupload/main"):
            entries = json.loads(body)["files"]
            modes = [{"path": e["path"], "uploadMode": "regular", "shouldIgnore": False} for e in entries]
            self.answer({"files": modes})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.answer({"commitUrl": f"{self.address}/lab/net/commit/{SHA}", "commitOid": SHA, "success": True})
        else:
            self.answer({})

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    handler = type("OneHub", (Hub,), {"files": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    handler.address = f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()
    server.server_close()
    thread.join()


def run(code, hub_address, home, *arguments):
    """A process of its own, since the hub's library reads its address when it is imported."""
    given = {
        "HF_ENDPOINT": hub_address,
        "HF_HOME": str(home),
        "HF_TOKEN": "hf_made_up",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    command = [sys.executable, *(("-c", code) if code else ("-m", "medmamba")), *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | given, capture_output=True, text=True, timeout=300)


LOAD = "import sys, medmamba; print(type(medmamba.load(sys.argv[1])).__name__)"


def test_what_is_pushed_can_be_loaded(hub, generalist, tmp_path):
    done = run("", hub.address, tmp_path, "push", str(generalist), "lab/net")
    assert done.returncode == 0, done.stderr
    assert set(hub.files) == {"card.json", "weights.safetensors", "golden.safetensors", "README.md", "config.json"}
    card = hub.files["README.md"].decode()
    assert card.startswith("---\nlicense: ")
    assert "pipeline_tag: image-classification" in card
    assert "hf://lab/net" in card
    hub.files["model.bin"] = b"a pickle"
    loaded = run(LOAD, hub.address, tmp_path, "hf://lab/net")
    assert loaded.stdout.strip() == "MedMamba", loaded.stderr
    assert not [path for path in hub.asked if "model.bin" in path]


@pytest.mark.parametrize(
    ("repository", "sentence"),
    [
        ("lab/net", "The hub cannot be reached, or did not take it (ConnectError)."),
        ("not/a/name", "The hub has no repositories of such a name. Write owner/name."),
    ],
)
def test_a_push_that_fails_is_said(generalist, tmp_path, repository, sentence):
    done = run("", "http://127.0.0.1:9", tmp_path, "push", str(generalist), repository)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["skin: photo", "yes", "#1", "2024", '- a "b"', "Öhre"])
def test_tags_are_texts_whatever_a_task_is_named(generalist, name):
    card = checkpoints.read_card(generalist)
    card = replace(card, layout=OutputLayout((replace(card.layout.tasks[0], name=name),)))
    _, head, _ = push.model_card(card, "lab/net").split("---\n", 2)
    assert set(yaml.safe_load(head)["tags"]) == {"medical-imaging", "mamba", "not-for-diagnosis", name}


def test_what_is_not_there_is_said(hub, tmp_path):
    done = run(LOAD, hub.address, tmp_path, "hf://lab/other")
    assert "CheckpointError: The hub has no such checkpoint" in done.stderr
    hub.files["README.md"] = b"nothing else"
    assert "it has no card.json" in run(LOAD, hub.address, tmp_path, "hf://lab/net").stderr


def test_a_proxy_that_lets_nobody_through_is_said(tmp_path):
    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self):
            self.send_error(403)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        code = f"import os; os.environ['https_proxy'] = 'http://127.0.0.1:{server.server_port}'; {LOAD}"
        loaded = run(code, "https://hub.invalid", tmp_path, "hf://lab/net")
        server.shutdown()
    assert "CheckpointError: The hub has no such checkpoint, or cannot be reached." in loaded.stderr


def test_nothing_is_asked_of_the_hub_unless_an_address_is_given(hub, generalist, tmp_path):
    assert run(LOAD, hub.address, tmp_path, str(generalist)).returncode == 0
    assert hub.asked == []
