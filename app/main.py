"""Start-up: settings to a server. ``python -m app`` runs ``main``."""

import contextlib
import os
import shutil
import stat
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from app.classroom import tables
from app.classroom.routes import Desk, add_classroom
from app.classroom.store import RoomStore
from app.examples import Gallery, gather
from app.gate import App, Gate
from app.learn_routes import learn_routes
from app.routes import VIEWER, add_routes
from app.service import Service
from app.settings import MEGABYTE, Settings
from app.store import PictureStore
from app.tutor import Tutor
from medmamba import lessons
from medmamba.errors import MedMambaError

QUIZ_SECONDS = 3600.0  # an untouched quiz stays so long: a student may think
ROOT = Path(__file__).parents[1]


def build_service(settings: Settings) -> Service:
    """The service behind the page, with nothing loaded yet."""
    return Service(PictureStore(settings.held_bytes, settings.held_seconds), default=settings.checkpoint)


def build_server(settings: Settings, service: Service) -> App:
    """The whole application: the gate, the routes, the page.

    Raises:
        SettingsError: the folder of examples is not usable.
    """
    gallery = Gallery(gather(settings.examples))
    os.environ["GRADIO_TEMP_DIR"] = str(private_folder(settings.port))
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr

    from app.theme import theme
    from app.ui import build_app, translations

    desk = build_desk(settings, service)
    server = FastAPI(title="MedMamba", docs_url=None, redoc_url=None, openapi_url=None, lifespan=attended(desk))
    server.add_middleware(CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["GET", "POST"])
    add_routes(server, service, gallery, settings.upload_bytes)
    add_classroom(server, desk)
    tutor = Tutor(service, settings.held_bytes // 2, QUIZ_SECONDS)
    server.include_router(learn_routes(tutor, service, settings.upload_bytes))
    page = build_app(service)
    page.queue(max_size=settings.queue, default_concurrency_limit=1, api_open=False)
    gr.mount_gradio_app(
        server,
        page,
        path="/",
        server_name=settings.host,
        server_port=settings.port,
        theme=theme(),
        head=head(),
        i18n=translations(),
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=settings.upload_bytes,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        blocked_paths=[str(ROOT)],
    )
    early = '<script src="viewer/early.js"></script>'
    return Gate(server, settings.upload_bytes + MEGABYTE, settings.origins, settings.frame_ancestors, early)


def build_desk(settings: Settings, service: Service) -> Desk:
    """The teaching rooms, with their database open.

    Raises:
        MedMambaError: the database cannot be opened.
    """
    store = RoomStore(tables.connect(settings.rooms or tables.default_url()))
    return Desk(store, service, settings.room_hours, decks=lessons.decks)


def attended(desk: Desk) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    """The server's lifespan: the rooms' background thread runs as long as it does."""

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        desk.attendant.start()
        try:
            yield
        finally:
            await run_in_threadpool(desk.attendant.stop)
            desk.store.close()

    return lifespan


def head() -> str:
    """The page's look; loaded after Gradio's, which it overrules."""
    return "".join(f'<link rel="stylesheet" href="viewer/{path.name}">' for path in sorted(VIEWER.glob("*.css")))


def private_folder(port: int) -> Path:
    """An empty folder for Gradio's files that only this user may enter; what an earlier server left is swept away.

    Raises:
        MedMambaError: the folder belongs to somebody else.
    """
    folder = Path(tempfile.gettempdir()) / f"medmamba-{os.getuid() if hasattr(os, 'getuid') else 'user'}-{port}"
    if folder.is_symlink() or (folder.exists() and hasattr(os, "getuid") and folder.stat().st_uid != os.getuid()):
        raise MedMambaError("The folder for temporary files belongs to somebody else; set TMPDIR to another place.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=stat.S_IRWXU)
    return folder


def main() -> int:
    """Runs the server until it is interrupted; returns the exit code."""
    try:
        settings = Settings.from_environment()
        service = build_service(settings)
        application = build_server(settings, service)
    except MedMambaError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=30,  # longer than a phone waits between two polls, or it meets a closing connection
        )
    )
    announcer = threading.Thread(target=_announce, args=(server, settings, service))
    announcer.start()
    try:
        server.run()
    finally:
        server.should_exit = True
        announcer.join()
    return 0


def _announce(server: uvicorn.Server, settings: Settings, service: Service) -> None:
    """Warms the service up, and tells the address as soon as both it and the server are ready."""
    try:
        service.warm()
    except MedMambaError as error:
        sys.stderr.write(f"{error}\n")
    while not server.started:
        if server.should_exit:
            return
        threading.Event().wait(0.05)
    host = "localhost" if settings.host in ("127.0.0.1", "0.0.0.0") else settings.host
    sys.stdout.write(f"MedMamba is ready: http://{host}:{settings.port}/\n")
    sys.stdout.flush()
