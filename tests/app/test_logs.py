import io
import json
import logging

import httpx
import pytest

from app import logs, surface
from tests.app.conftest import Running

CANARY = "DOE^JOHN"


@pytest.fixture
def _logs_as_before():
    root = logging.root
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level


@pytest.mark.usefixtures("_logs_as_before")
@pytest.mark.parametrize("form", ["json", "plain"])
def test_an_exceptions_text_is_not_logged(form, capsys):
    logs.set_up(form)
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("any").exception("failed")
    told = capsys.readouterr().err
    assert "ValueError" in told
    assert "test_an_exceptions_text" in told
    assert CANARY not in told
    if form == "json":
        assert json.loads(told)["logger"] == "any"


def test_requests_are_logged_and_counted_by_a_few_names(checkpoint_root):
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    logger = logging.getLogger("medmamba.requests")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    handler.setFormatter(logs._Json("%(message)s"))
    try:
        with Running(checkpoint_root) as running:
            token = httpx.post(f"{running.address}pictures", content=b"x").text
            httpx.get(f"{running.address}pictures/{token}/0?name={CANARY}")
            httpx.get(f"{running.address}{CANARY}")
            registry = running.server.config.app.registry
            counted = registry.get_sample_value(
                "medmamba_requests_total", {"method": "GET", "path": "/pictures", "status": "404"}
            )
            assert counted == 1
            assert registry.get_sample_value("medmamba_pictures_held") == 1
    finally:
        logger.removeHandler(handler)
    told = lines.getvalue()
    assert CANARY not in told
    assert token not in told
    assert [json.loads(line)["path"] for line in told.splitlines()] == ["/pictures", "/pictures", "other"]


@pytest.mark.parametrize(
    ("path", "name", "is_open"),
    [
        ("/", "/", True),
        ("/pictures/abc/0", "/pictures", True),
        ("/gradio_api/queue/join", "/gradio_api/queue", True),
        ("/gradio_api/heartbeat/abc", "/gradio_api/heartbeat", True),
        ("/gradio_api/call/classify", "/gradio_api/call", True),
        ("/gradio_api/call/ask", "other", False),
        ("/gradio_api/file=/etc/passwd", "other", False),
        ("/monitoring/summary", "other", False),
        ("/DOE", "other", True),
    ],
)
def test_paths(path, name, is_open):
    assert surface.label(path) == name
    assert surface.is_open(path) is is_open
