"""The server as a process: it ends in order, and comes back after it was killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from app import cli, serving
from app.main import build_service
from app.settings import Settings, SettingsError
from scripts import hostile

ROOT = Path(__file__).parents[2]


@contextmanager
def process(checkpoint_root, tmp_path, *arguments, **settings):
    """(process, address) of ``python -m app``; what it writes to standard error is in the file ``stderr``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = {
        "MEDMAMBA_PORT": str(port),
        "MEDMAMBA_CHECKPOINTS": str(checkpoint_root),
        "MEDMAMBA_ROOMS": f"sqlite:///{tmp_path}/rooms.sqlite",
        "TMPDIR": str(tmp_path),
        **{f"MEDMAMBA_{name.upper()}": str(value) for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "app", *arguments]
    with (
        (tmp_path / "stderr").open("w") as told,
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | given, stdout=subprocess.PIPE, stderr=told, text=True
        ) as server,
    ):
        try:
            assert "ready" in server.stdout.readline()
            yield server, f"http://127.0.0.1:{port}/"
        finally:
            server.kill()


def test_answers_under_way_are_given_and_nothing_is_left(checkpoint_root, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        metrics = probe.getsockname()[1]
    with process(checkpoint_root, tmp_path, metrics_port=metrics) as (server, address):
        assert "medmamba_ready 1.0" in httpx.get(f"http://127.0.0.1:{metrics}/metrics").text
        assert httpx.get(f"{address}metrics").status_code == 404
        httpx.post(f"{address}gradio_api/upload", files={"files": ("x.png", b"x")}).raise_for_status()
        assert list(tmp_path.glob("medmamba-*/*"))

        def slowly():
            yield b"some"
            server.send_signal(signal.SIGTERM)
            time.sleep(1)
            yield b"more"

        opened = threading.Event()

        def stay():
            with httpx.stream("GET", f"{address}gradio_api/heartbeat/abc", timeout=30) as stream:
                for _ in stream.iter_lines():
                    opened.set()

        page = threading.Thread(target=stay)
        page.start()
        assert opened.wait(10)
        answer = httpx.post(f"{address}pictures", content=slowly(), timeout=30)
        assert answer.status_code == 200
        started = time.monotonic()
        assert server.wait(20) == 0
        assert time.monotonic() - started < 10
        page.join()
    assert list(tmp_path.glob("medmamba-*")) == []


def test_after_being_killed_it_starts_and_sweeps(checkpoint_root, tmp_path):
    with process(checkpoint_root, tmp_path) as (server, address):
        gradios_own = set(tmp_path.glob("medmamba-*/*"))  # made anew at every start
        httpx.post(f"{address}gradio_api/upload", files={"files": ("x.png", b"x")}).raise_for_status()
        (left,) = set(tmp_path.glob("medmamba-*/*")) - gradios_own
        server.kill()
        server.wait()
    assert left.exists()
    with process(checkpoint_root, tmp_path):
        assert not left.exists()


def test_a_second_server_on_the_same_port_by_mistake_takes_nothing_from_the_first(checkpoint_root, tmp_path):
    with process(checkpoint_root, tmp_path) as (server, address):
        (folder,) = tmp_path.glob("medmamba-*")
        kept = folder / "kept"
        kept.write_text("x")
        given = os.environ | {"MEDMAMBA_PORT": str(urlsplit(address).port), "TMPDIR": str(tmp_path)}
        given |= {"MEDMAMBA_CHECKPOINTS": str(checkpoint_root), "MEDMAMBA_ROOMS": f"sqlite:///{tmp_path}/other.sqlite"}
        second = subprocess.run(
            [sys.executable, "-m", "app"], cwd=ROOT, env=given, capture_output=True, text=True, timeout=120
        )
        assert second.returncode == 2
        assert second.stderr.startswith(f"medmamba: Port {urlsplit(address).port} is taken")
        assert "MEDMAMBA_PORT (port in the settings file)" in second.stderr
        assert second.stderr.count("\n") == 1
        assert second.stdout == ""
        assert kept.exists()
        assert list(tmp_path.glob("medmamba-*")) == [folder]
        assert server.poll() is None


def test_malformed_calls_leave_nothing_of_what_they_hold(checkpoint_root, tmp_path):
    once = httpx.Limits(max_keepalive_connections=0)  # after a fault of Gradio's the connection ends
    with (
        process(checkpoint_root, tmp_path) as (_, address),
        httpx.Client(base_url=address, timeout=30, limits=once) as client,
    ):
        answers, events, sessions = [], [], set()
        for call in hostile.calls(client.get("config").json()):
            answer = client.request(call.method, call.path, **call.more)
            assert answer.status_code < 500, call.path
            answers.append(answer.content + str(answer.headers.raw).encode())
            if answer.status_code == 200 and "call/" in call.path:
                events.append(f"{call.path.replace('v2/', '')}/{answer.json()['event_id']}")
            if answer.status_code == 200 and "queue/join" in call.path:
                sessions.add(call.more["json"]["session_hash"])
        answers += [client.get(event).content for event in events]
        for session in sessions:
            with client.stream("GET", f"gradio_api/queue/data?session_hash={session}") as stream:
                answers += [line.encode() for line in stream.iter_lines()]
        token = client.post("pictures", content=hostile.picture(1)).text
        assert client.get(f"pictures/{token}/0").status_code == 200
    told = (tmp_path / "stderr").read_text()
    assert "ValueError" in told  # Gradio's validation failed, and the log says where
    assert hostile.CANARY not in told
    assert not [answer for answer in answers if hostile.MARK in answer]


@pytest.mark.parametrize("setting", ["port", "upload_mb"])
def test_a_wrong_setting_is_said_and_nothing_starts(setting):
    given = os.environ | {f"MEDMAMBA_{setting.upper()}": "x"}
    done = subprocess.run([sys.executable, "-m", "app"], cwd=ROOT, env=given, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"MEDMAMBA_{setting.upper()}" in done.stderr


@pytest.mark.parametrize("wrong", ["setting", "port"])
def test_what_keeps_a_server_from_starting_is_said_before_anything_large_is_imported(wrong):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = "x" if wrong == "setting" else str(taken.getsockname()[1])
        code = "import sys; from app.cli import main; print(main([]), sorted({'torch', 'gradio'} & set(sys.modules)))"
        given = os.environ | {"MEDMAMBA_PORT": port}
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=given, capture_output=True, text=True)
    assert done.stdout == "2 []\n", done.stderr
    assert "MEDMAMBA_PORT" in done.stderr


def test_a_metrics_port_that_is_taken_is_said_and_nothing_is_left(checkpoint_root, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = os.environ | {"MEDMAMBA_PORT": "0", "MEDMAMBA_METRICS_PORT": str(port), "TMPDIR": str(tmp_path)}
        given |= {"MEDMAMBA_CHECKPOINTS": str(checkpoint_root), "MEDMAMBA_ROOMS": f"sqlite:///{tmp_path}/rooms.sqlite"}
        done = subprocess.run(
            [sys.executable, "-m", "app"], cwd=ROOT, env=given, capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 2
    assert f"Port {port} is taken" in done.stderr
    assert "MEDMAMBA_METRICS_PORT (metrics_port in the settings file)" in done.stderr
    assert list(tmp_path.glob("medmamba-*")) == []


def test_weights_that_there_are_not_are_said_and_no_others_answer_in_their_place(checkpoint_root):
    given = os.environ | {"MEDMAMBA_CHECKPOINT": "generallist", "MEDMAMBA_CHECKPOINTS": str(checkpoint_root)}
    command = [sys.executable, "-m", "app"]
    done = subprocess.run(
        command, cwd=ROOT, env=given | {"MEDMAMBA_PORT": "0"}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "MEDMAMBA_CHECKPOINT names none of the checkpoints there are: generalist, second." in done.stderr


def test_a_folder_of_weights_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDMAMBA_CHECKPOINTS", str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match="MEDMAMBA_CHECKPOINTS names no folder"):
        build_service(Settings())


def test_without_a_folder_for_temporary_files_one_is_asked_for(monkeypatch, capsys):
    def none():
        raise FileNotFoundError

    monkeypatch.setattr("tempfile.gettempdir", none)
    with socket.create_server(("127.0.0.1", 0)) as taken:  # or it would serve, if it did not ask
        monkeypatch.setenv("MEDMAMBA_PORT", str(taken.getsockname()[1]))
        assert cli.main([]) == 2
    assert "Set TMPDIR" in capsys.readouterr().err


def test_a_host_that_is_not_of_this_machine_is_said():
    with pytest.raises(SettingsError, match=r"MEDMAMBA_HOST.*cannot listen there"):
        serving.listen("192.0.2.1", 0)


def test_of_a_name_s_addresses_those_that_the_machine_lacks_are_left_out(monkeypatch):
    """As "localhost" has two, and a container without IPv6 only one of them."""
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("192.0.2.1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    (only,) = serving.listen("localhost", 0)
    with only:
        assert only.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "localhost"), ("::1", "[::1]")])
def test_the_address_that_is_told_opens_the_page(host, shown, checkpoint_root, tmp_path):
    given = os.environ | {"MEDMAMBA_HOST": host, "MEDMAMBA_PORT": "0", "TMPDIR": str(tmp_path)}
    given |= {"MEDMAMBA_CHECKPOINTS": str(checkpoint_root), "MEDMAMBA_ROOMS": f"sqlite:///{tmp_path}/rooms.sqlite"}
    command = [sys.executable, "-m", "app"]
    with subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().split()[-1]
            assert address.startswith(f"http://{shown}:")
            assert httpx.get(address).status_code == 200
        finally:
            server.kill()
