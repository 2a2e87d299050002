"""Networks elsewhere answer as those in this process do, and a replica that dies is replaced: with a real Ray."""

import importlib.util
import os
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file

from app.engine import TOGETHER, LocalEngine, Places
from app.ray_engine import Cluster, RayEngine
from medmamba import images
from medmamba.errors import BusyError, CheckpointError, RequestError
from tests.app.conftest import make_png
from tests.app.test_serving import process

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs Ray: pip install '.[serve]'"),
    pytest.mark.skipif(not os.environ.get("MEDMAMBA_TEST_RAY"), reason="takes minutes: set MEDMAMBA_TEST_RAY=1"),
    pytest.mark.filterwarnings("ignore"),  # Ray's own are many
]
NAME = "generalist"


@pytest.fixture(scope="module")
def remote(checkpoint_root):
    engine = RayEngine(Cluster(replicas=2, cores=0.5), checkpoint_root)
    yield engine
    engine.close()


@pytest.fixture
def local(checkpoint_root):
    engine = LocalEngine(checkpoint_root)
    yield engine
    engine.close()


def display(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (80, 96, 3), dtype=np.uint8)


def test_the_same_picture_has_the_same_answer_and_the_same_map(remote, local):
    far, near = (engine.answer(NAME, display()) for engine in (remote, local))
    np.testing.assert_allclose(far.logits, near.logits, atol=1e-5)
    assert (far.task, far.band, far.prediction_set) == (near.task, near.band, near.prediction_set)
    np.testing.assert_array_equal(far.seen, near.seen)
    far, near = (e.reanswer(NAME, a, "kidney-ct") for e, a in ((remote, far), (local, near)))
    assert [s.probability for s in far.scores] == pytest.approx([s.probability for s in near.scores], abs=1e-5)
    maps = [e.evidence(NAME, a, "cyst") for e, a in ((remote, far), (local, near))]
    np.testing.assert_allclose(maps[0].values, maps[1].values, atol=1e-4)
    assert np.isfinite(remote.deletion_score(NAME, far, maps[0]).fall)
    assert remote.modality_evidence(NAME, far, far.modalities[0][0]).values.shape == maps[0].values.shape
    assert remote.card(NAME) == local.card(NAME)
    assert remote.waiting() == 0


def test_what_cannot_be_answered_is_said_in_the_same_words(remote, monkeypatch):
    with pytest.raises(RequestError, match=r"^Test generalist has no task 'nonsense'; it has: "):
        remote.answer(NAME, display(), "nonsense")
    with pytest.raises(RequestError, match="no class"):
        remote.evidence(NAME, remote.answer(NAME, display(), "kidney-ct"), "platelet")
    with pytest.raises(CheckpointError):
        remote.answer("nothing", display())
    monkeypatch.setattr(remote, "_places", Places(2))
    with remote._places.one(), remote._places.one(), pytest.raises(BusyError, match="full"):
        remote.answer(NAME, display())
    assert remote.waiting() == 0


def test_a_dead_replica_is_replaced_and_the_next_request_works(remote, local):
    first = remote._handle.process.remote().result()
    os.kill(first, signal.SIGKILL)
    np.testing.assert_allclose(remote.answer(NAME, display(1)).logits, local.answer(NAME, display(1)).logits, atol=1e-5)
    assert remote._handle.process.remote().result() != first


def test_a_second_replica_starts_under_load_and_answers_alike(remote, local):
    near = local.answer(NAME, display(2)).logits
    ends = time.monotonic() + 150
    processes: set[int] = set()

    def visitor(_):
        answered = 0
        while len(processes) < 2 and time.monotonic() < ends:
            np.testing.assert_allclose(remote.answer(NAME, display(2)).logits, near, atol=1e-5)
            processes.add(remote._handle.process.remote().result())
            answered += 1
        return answered

    with ThreadPoolExecutor(3 * TOGETHER) as visitors:
        answered = sum(visitors.map(visitor, range(3 * TOGETHER)))
    assert len(processes) == 2
    assert answered > 0
    assert remote.waiting() == 0


def test_a_cluster_of_our_own_is_on_this_machine_alone_and_wants_a_token(remote):
    import ray

    assert ray.get_runtime_context().gcs_address.startswith("127.0.0.1:")
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_the_page_answers_with_it_and_takes_it_along_when_it_ends(checkpoint_root, tmp_path, local, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", tempfile.gettempdir())  # the path of a socket may have 107 characters
    picture = tmp_path / "picture.png"
    picture.write_bytes(make_png())
    with process(checkpoint_root, tmp_path, "--engine", "ray") as (server, address):
        client = Client(address, analytics_enabled=False, verbose=False)
        far = client.predict(handle_file(str(picture)), "kidney-ct", 0, None, api_name="/classify")["probabilities"]
        client.close()
        assert rays(address)
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    near = local.answer(NAME, images.read(picture.read_bytes()).display(), "kidney-ct")
    assert far == pytest.approx({score.name: score.probability for score in near.scores}, abs=1e-4)
    assert rays(address) == []


def rays(address):
    """Ray's processes of the server at an address."""
    mark = f"MEDMAMBA_PORT={address.rsplit(':', 1)[1].strip('/')}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray" in (folder / "cmdline").read_bytes() and mark in (folder / "environ").read_bytes():
                found.append(folder.name)
        except OSError:  # it has ended meanwhile
            continue
    return found
