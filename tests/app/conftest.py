"""A checkpoint with random weights and a router, synthetic pictures, and the service in front of them."""

import io
import itertools
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import torch
import uvicorn
from PIL import Image

from app.main import build_server
from app.service import Service
from app.settings import Settings
from app.store import PictureStore
from medmamba import checkpoints, metrics, novelty
from medmamba.checkpoints import Card
from medmamba.images import guard
from medmamba.model import MedMamba, MedMambaConfig
from medmamba.preprocess import Transform
from medmamba.tasks import ClassName, OutputLayout, Task
from tests.app.postgres import cluster, new_database

SIZE = 64
GRADIOS_OWN = (
    "unclosed event loop:ResourceWarning",
    "unclosed <socket.socket fd=\\d+, family=1, type=1:ResourceWarning",
    "'future.no_silent_downcasting' is deprecated",
    "The copy keyword is deprecated",
)


def pytest_configure(config: pytest.Config) -> None:
    for warning in GRADIOS_OWN:
        config.addinivalue_line("filterwarnings", f"ignore:{warning}")


def task(name: str, modality: str, *classes: str) -> Task:
    names = tuple(ClassName(c, c.replace("_", " ").capitalize()) for c in classes)
    return Task(name, modality, f"Which {name} is it?", names, "Made-up pictures", "CC0", "None of this is real.")


TASKS = (
    task("blood-cells", "blood-cell microscopy", "basophil", "lymphocyte", "platelet"),
    task("chest-xray", "X-ray", "no_finding", "pneumonia"),
    task("covid-ct", "CT", "covid", "non_covid"),
    task("kidney-ct", "CT", "cyst", "normal", "tumor"),
    task("retinal-oct", "OCT"),
)


def save_checkpoint(folder: Path, seed: int = 0, limit: float = 1e9) -> Card:
    """A small network with random weights, complete with card, novelty statistics and golden example."""
    torch.manual_seed(seed)
    layout = OutputLayout.generalist(TASKS)
    config = MedMambaConfig((1, 1, 1, 1), 16, layout.num_outputs)
    model = MedMamba(config, drop_path=0.0).eval()
    pictures = torch.randn(40, 3, SIZE, SIZE)
    with torch.inference_mode():
        vectors = novelty.pooled(model.pyramid(pictures))
    statistics = novelty.fit(vectors, np.arange(40) % len(TASKS), len(TASKS))
    labels, random = np.arange(60), np.random.default_rng(seed)
    figures = {
        t.name: metrics.report(
            labels % len(t.classes), random.dirichlet(np.ones(len(t.classes)), 60).astype("f4"), t.class_names
        )
        for t in TASKS
        if t.classes
    }
    coverage = {"value": 0.72, "low": 0.68, "high": 0.76}
    figures["kidney-ct"]["prediction_sets"] = {"coverage": coverage, "mean_size": 1.5}
    card = Card(
        name=folder.name,
        title="Test generalist",
        version="0.1",
        date="2026-01-01",
        config=config,
        transform=Transform(SIZE),
        layout=layout,
        summary="Random weights for tests.",
        intended_use="Tests of the page.",
        not_for=("Patients.",),
        limits=("It knows nothing.",),
        licence="CC0",
        priors={
            "kidney-ct": {"cyst": 0.3, "normal": 0.6, "tumor": 0.1},
            "chest-xray": {"no_finding": 1.0, "pneumonia": 0.0},
        },
        temperatures={"router": 1.3, "kidney-ct": 1.5},
        novelty={t.name: 0.0 if t.name == "covid-ct" else limit for t in TASKS},
        prediction_sets={"kidney-ct": 0.0, "chest-xray": 1.1},
        metrics=figures,
    )
    return checkpoints.save(folder, card, model, statistics, pictures[:1])


@pytest.fixture(scope="session")
def checkpoint_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoints ``generalist`` and ``second``."""
    root = tmp_path_factory.mktemp("checkpoints")
    save_checkpoint(root / "generalist")
    save_checkpoint(root / "second", seed=1)
    return root


@pytest.fixture(scope="session", autouse=True)
def _workers_end() -> Iterator[None]:
    yield
    guard.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """Makes an empty database, each time it is called, and returns its address."""
    numbers = itertools.count()
    with cluster() as address:
        yield lambda: new_database(address, f"rooms{next(numbers)}")


@pytest.fixture
def service(checkpoint_root: Path) -> Service:
    return Service(PictureStore(2**28, 900.0), root=checkpoint_root)


def make_png(width: int = 96, height: int = 80, seed: int = 0) -> bytes:
    """A colourful picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def make_pages(*greys: int) -> bytes:
    """A TIFF with a page of each grey."""
    first, *others = (Image.fromarray(np.full((40, 50), grey, np.uint8)) for grey in greys)
    buffer = io.BytesIO()
    first.save(buffer, "TIFF", save_all=True, append_images=others)
    return buffer.getvalue()


@pytest.fixture
def png() -> Callable[..., bytes]:
    return make_png


class Running:
    """A server on a free port of this machine, in a thread."""

    def __init__(self, root: Path, **settings: object) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.rooms = Path(tempfile.mkdtemp()) / "rooms.sqlite"
        self.settings = Settings(port=port, rooms=f"sqlite:///{self.rooms}", **settings)
        self.service = Service(PictureStore(2**28, 900.0), root=root)
        before = os.environ.get("GRADIO_TEMP_DIR")
        application = build_server(self.settings, self.service)
        config = uvicorn.Config(
            application,
            port=port,
            log_level="error",
            timeout_graceful_shutdown=1,
            server_header=False,
            proxy_headers=False,
        )
        self.server = uvicorn.Server(config)
        self.address = f"http://127.0.0.1:{port}/"
        self.temporary, self.before = Path(os.environ["GRADIO_TEMP_DIR"]), before
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self) -> Self:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join()
        shutil.rmtree(self.temporary, ignore_errors=True)
        if self.before:  # of a server around this one, which goes on
            os.environ["GRADIO_TEMP_DIR"] = self.before
        shutil.rmtree(self.rooms.parent)


@pytest.fixture(scope="session")
def running(checkpoint_root: Path) -> Iterator[Running]:
    """The page, running."""
    with Running(checkpoint_root) as running:
        running.service.warm()
        yield running


CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--use-fake-device-for-media-stream",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium; skips with a reason where it or Playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"needs {CHROMIUM}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any, running: Running) -> Iterator[Callable[..., Any]]:
    """Opens the page as a fresh visitor; fails on script errors and on requests to other hosts."""
    faults: list[str] = []
    contexts = []

    def enter(notice: bool = False, **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, "locale": "en-US"} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        own = (running.address, "data:", "blob:")
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url.startswith(own) else faults.append(request.url))
        page.goto(running.address)
        page.wait_for_selector(".mm-notice")
        if not notice:
            page.click(".mm-notice .mm-primary")
        return page

    yield enter
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def rough(browser: Any, running: Running) -> Iterator[Any]:
    """A page on which requests may fail, or that may be reloaded: what the console says of that is no fault."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, locale="en-US")
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(running.address)
    page.click(".mm-notice .mm-primary")
    yield page
    context.close()


@pytest.fixture
def page(visit: Callable[..., Any]) -> Any:
    """The page of a visitor who has closed the notice."""
    return visit()
