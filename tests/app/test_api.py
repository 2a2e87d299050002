"""The documented endpoints, called as a stranger would: through ``gradio_client`` and over plain HTTP."""

from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from app import api
from app.engine import AT_ONCE
from app.ui import build_app
from medmamba.errors import RequestError

META = {"meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def client(running):
    client = Client(running.address, analytics_enabled=False, verbose=False)
    yield client
    client.close()


@pytest.fixture
def upload(tmp_path, png):
    path = tmp_path / "DOE^JOHN_12345.png"
    path.write_bytes(png())
    return handle_file(str(path))


def test_three_endpoints_are_documented_and_no_more(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/classify", "/saliency", "/models"}


def test_one_call_of_the_api_does_not_make_the_server_serial(service):
    """Gradio gives a group the lowest limit of its functions, for good, from the first call on."""
    page = build_app(service)
    group = [fn.concurrency_limit for fn in page.fns.values() if fn.concurrency_id == "network"]
    assert group == [AT_ONCE] * 7


def test_classify(client, upload):
    result = client.predict(upload, "kidney-ct", 0, None, api_name="/classify")
    assert result["task"] == "kidney-ct"
    assert sum(result["probabilities"].values()) == pytest.approx(1)
    assert result["prediction_set"]["classes"] == ["cyst", "normal", "tumor"]
    assert result["prediction_set"]["coverage"] == {"value": 0.72, "low": 0.68, "high": 0.76}
    assert result["band"] == {"kind": "uncertain", "labels": [], "held_back": "miscalibrated"}
    assert result["notice"].startswith("Research and education only")
    assert len(result["sha256"]) == 64


def test_saliency(client, upload):
    result = client.predict(upload, "tumor", "grad-cam", 4, "kidney-ct", 0, None, api_name="/saliency")
    assert (result["class_name"], len(result["values"]), len(result["values"][0])) == ("tumor", 2, 2)


def test_models(client):
    models = client.predict(api_name="/models")
    assert models["generalist"]["tasks"]["retinal-oct"]["classes"] == []


def test_errors_are_sentences(client, upload, tmp_path):
    with pytest.raises(AppError, match="no task"):
        client.predict(upload, "nonsense", 0, None, api_name="/classify")
    (tmp_path / "broken").write_bytes(b"hello")
    with pytest.raises(AppError, match=r"\."):
        client.predict(handle_file(str(tmp_path / "broken")), None, 0, None, api_name="/classify")


def test_nothing_of_an_upload_stays_on_disk(client, upload, running):
    client.predict(upload, None, 0, None, api_name="/classify")
    assert [path for path in running.temporary.rglob("*") if path.is_file()] == []


def test_files_of_the_host_cannot_be_classified(running):
    call = {"data": [{"path": "/etc/hostname", **META}, None, 0, None]}
    started = httpx.post(f"{running.address}gradio_api/call/classify", json=call)
    assert (
        started.status_code != 200
        or "error" in httpx.get(f"{running.address}gradio_api/call/classify/{started.json()['event_id']}").text
    )


def test_two_visitors_may_send_the_same_picture(running, png):
    """Both have sent theirs before either asks."""
    paths = [
        httpx.post(f"{running.address}gradio_api/upload", files={"files": ("x.png", png())}).json()[0] for _ in range(2)
    ]
    assert [answer_to(running, path).splitlines()[0] for path in paths] == ["event: complete"] * 2


@pytest.mark.parametrize("name", ["gone", "a\0b", "\ud800"])
def test_what_is_no_path_or_gone_is_no_picture(service, name, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(Path, "is_file", lambda _: True)  # as it was a moment ago
    with pytest.raises(RequestError, match="no picture"), api._held(service, {"path": str(tmp_path / name)}):
        pass


def answer_to(running, path):
    """The events of a call of ``/classify`` with an uploaded file's path."""
    call = {"data": [{"path": path, **META}, "kidney-ct", 0, None]}
    event = httpx.post(f"{running.address}gradio_api/call/classify", json=call).json()["event_id"]
    return httpx.get(f"{running.address}gradio_api/call/classify/{event}", timeout=60).text


def test_our_own_routes(running, png):
    token = httpx.post(f"{running.address}pictures", content=png()).text
    answer = httpx.get(f"{running.address}pictures/{token}/0")
    assert len(answer.content) == 96 * 80 * 3
    assert answer.headers["cache-control"] == "no-store"
    assert httpx.get(f"{running.address}pictures/{token}/7").status_code == 404
    assert httpx.get(f"{running.address}pictures/unknown/0").status_code == 404
    assert httpx.post(f"{running.address}pictures", content=b"").status_code == 422
    part = f"{running.address}pictures/{token}/0/part"
    held = httpx.post(part, params={"left": 32, "top": 10, "width": 64, "height": 32}).raise_for_status().text
    samples = httpx.get(f"{running.address}pictures/{held}/0").content
    whole = np.frombuffer(answer.content, np.uint8).reshape(80, 96, 3)
    np.testing.assert_array_equal(np.frombuffer(samples, np.uint8).reshape(32, 64, 3), whole[10:42, 32:])
    assert httpx.delete(f"{running.address}pictures/{held}").status_code == 204
    for wrong in ({"left": 90}, {"left": -1}, {"left": "NaN"}, {}):
        refused = httpx.post(part, params={"top": 0, "width": 64, "height": 32} | wrong)
        assert refused.status_code == 422
        assert refused.text.endswith(".")
    assert httpx.delete(f"{running.address}pictures/{token}").status_code == 204
    assert httpx.post(part, params={"left": 0, "top": 0, "width": 64, "height": 32}).status_code == 422
    assert httpx.get(f"{running.address}pictures/{token}/0").status_code == 404
    first = httpx.get(f"{running.address}models").json()[0]
    assert (first["name"], first["routed"]) == ("generalist", True)
    assert "retinal-oct" not in {task["name"] for task in first["tasks"]}, "it has no classes"
    assert httpx.get(f"{running.address}texts/de-AT").json()["language"] in ("de", "en")
    assert httpx.get(f"{running.address}healthz").json() == {"status": "ok"}
    assert {httpx.head(f"{running.address}{path}").status_code for path in ("healthz", "readyz")} == {200}


@pytest.mark.parametrize("path", ["monitoring", "gradio_api/runs", "docs", "openapi.json"])
def test_what_is_closed(running, path):
    assert httpx.get(f"{running.address}{path}").status_code in (403, 404)
