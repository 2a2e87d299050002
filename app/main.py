"""Settings to a server, with every layer in its place; ``serving`` runs it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount

from app import unread
from app.admission import Admission
from app.classroom import tables
from app.classroom.routes import Desk, add_classroom
from app.classroom.store import RoomStore
from app.door import Door, by_cookie, by_header
from app.engine import AT_ONCE, Engine, LocalEngine
from app.examples import Gallery, gather
from app.gate import App, Gate, Receive, Refusal, Scope, Send
from app.learn_routes import learn_routes
from app.ledger import Ledger
from app.line import Line
from app.logins import Logins
from app.memory import keep_trimmed
from app.neutral import NeutralNames
from app.proxies import Proxies
from app.ray_engine import Cluster, RayEngine
from app.routes import VIEWER, add_routes, disk_fails, misnamed, misshapen, refused
from app.service import Service
from app.settings import MEGABYTE, Settings, SettingsError
from app.store import PictureStore
from app.tutor import Tutor
from app.uploads import keep_swept, private_folder
from medmamba import lessons, registry
from medmamba.checkpoints import default_root

QUIZ_SECONDS = 3600.0  # an untouched quiz stays so long: a student may think
SESSIONS = 300  # of which Gradio keeps a copy of the page's settings, 10,000 by default; the page needs none of it
ROOT = Path(__file__).parents[1]


def build_service(settings: Settings) -> Service:
    """The service behind the page, with nothing loaded yet.

    Raises:
        MedMambaError: there is no such folder or no such weights as the settings name, or as for ``build_engine``.
    """
    if os.environ.get("MEDMAMBA_CHECKPOINTS") and not default_root().is_dir():
        raise SettingsError("MEDMAMBA_CHECKPOINTS names no folder. Give the path of one that holds checkpoints.")
    if settings.checkpoint and settings.checkpoint not in (names := registry.list_all()):
        raise SettingsError(f"MEDMAMBA_CHECKPOINT names none of the checkpoints there are: {', '.join(names) or '–'}.")
    store = PictureStore(settings.held_bytes, settings.held_seconds)
    line = Line(settings.queue, settings.held_bytes // 2)
    return Service(store, default=settings.checkpoint, engine=build_engine(settings), line=line)


def build_engine(settings: Settings) -> Engine:
    """Where the networks run.

    Raises:
        MedMambaError: Ray is wanted and not installed, or its cluster cannot be reached.
    """
    places = AT_ONCE + settings.queue
    if settings.engine == "local":
        return LocalEngine(places=places, bfloat16=settings.bfloat16)
    cluster = Cluster(settings.ray_address, settings.ray_replicas, settings.ray_cores, settings.ray_gpus)
    return RayEngine(cluster, places=places, bfloat16=settings.bfloat16)


class Application:
    """The whole server as one ASGI application.

    registry: what Prometheus is shown. page: Gradio's part, for the login's cookies and for ending its open streams.
    folder: of Gradio's files, to be removed at the end.
    """

    def __init__(self, settings: Settings, service: Service, server: FastAPI, page: Any, folder: Path) -> None:
        self.service, self.server, self.page, self.folder = service, server, page, folder
        inner: App = Admission(NeutralNames(server), service.line)
        if settings.logins is not None:
            inner = Door(inner, by_cookie(lambda: page.tokens, page.cookie_id), has_form=True)
        elif settings.login_header:
            inner = Door(inner, by_header(settings.login_header), has_form=False)
        gate = Gate(
            inner,
            settings.upload_bytes + MEGABYTE,
            settings.origins,
            settings.frame_ancestors,
            '<title>MedMamba</title><script src="viewer/early.js"></script>',  # the login has no title of its own
            hosts=settings.names,
        )
        self.ledger = Ledger(gate, service)
        self.registry = self.ledger.registry
        self._entrance = Proxies(self.ledger, settings.proxies, settings.login_header, settings.root_path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._entrance(scope, receive, send)

    async def end_streams(self) -> None:
        """End the heartbeats of open pages, which would hold the server up, once all else has been answered.

        Not before: with a page's heartbeat Gradio drops what that page has asked.
        """
        while self.ledger.unanswered:
            await asyncio.sleep(0.05)
        self.page.stop_event.set()


def build_server(settings: Settings, service: Service) -> Application:
    """The whole application: the gate, the routes, the page.

    Raises:
        SettingsError: the folder of examples or the file of logins is not usable.
    """
    gallery = Gallery(gather(settings.examples))
    logins = None if settings.logins is None else Logins(settings.logins)
    folder = private_folder()
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    import gradio as gr

    from app.theme import theme
    from app.ui import build_app, translations

    async def may_enter(name: str, password: str) -> bool:
        return logins is not None and await run_in_threadpool(logins, name, password)

    desk = build_desk(settings, service)
    tutor = Tutor(service, settings.held_bytes // 2, QUIZ_SECONDS)

    def forget() -> None:
        service.forget_old()
        tutor.forget_old()

    lifespan = attended(desk, folder, forget)
    server = FastAPI(title="MedMamba", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    server.add_middleware(CORSMiddleware, allow_origins=list(settings.origins), allow_methods=["GET", "POST"])
    server.add_exception_handler(Refusal, refused)
    server.add_exception_handler(RequestValidationError, misshapen)
    page = build_app(service, has_form=logins is not None)
    add_routes(server, service, gallery, settings.upload_bytes, answers=lambda: not page._queue.stopped)
    add_classroom(server, desk)
    server.include_router(learn_routes(tutor, service, settings.upload_bytes))
    page.state_session_capacity = SESSIONS
    # Twice the line: what is asked of pictures that were answered waits there too, and must not crowd out the others.
    page.queue(max_size=2 * settings.queue, default_concurrency_limit=1, api_open=False)
    unread.bound(page._queue, sessions=2 * SESSIONS + 4 * settings.queue)
    gr.mount_gradio_app(
        server,
        page,
        path="/",
        server_name=settings.host,
        server_port=settings.port,
        root_path=settings.root_path or None,
        auth=None if logins is None else may_enter,
        theme=theme(),
        head=head(),
        i18n=translations(),
        app_kwargs={"docs_url": None, "redoc_url": None, "openapi_url": None},
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=settings.upload_bytes,
        enable_monitoring=False,
        ssr_mode=False,  # would start a server of Node's that nothing leads to, see docs/operations.md
        pwa=False,
        mcp_server=False,
        blocked_paths=[str(ROOT)],
    )
    inner = cast(FastAPI, cast(Mount, server.routes[-1]).app)
    inner.add_exception_handler(RequestValidationError, misshapen)
    inner.add_exception_handler(TypeError, misnamed)
    inner.add_exception_handler(OSError, disk_fails)
    return Application(settings, service, server, inner, folder)


def build_desk(settings: Settings, service: Service) -> Desk:
    """The teaching rooms, with their database open.

    Raises:
        MedMambaError: the database cannot be opened.
    """
    store = RoomStore(tables.connect(settings.rooms))
    return Desk(store, service, settings.room_hours, decks=lessons.decks)


def attended(
    desk: Desk, folder: Path, forget: Callable[[], None]
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    """The server's lifespan, as long as which the rooms' background thread runs and disk and memory are tidied.

    forget: drops what memory holds for too long; called even when nobody asks for anything.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        desk.attendant.start()
        chores = [asyncio.create_task(keep_swept(folder)), asyncio.create_task(keep_trimmed(forget))]
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()
            await run_in_threadpool(desk.attendant.stop)
            desk.store.close()

    return lifespan


def head() -> str:
    """The page's look; loaded after Gradio's, which it overrules."""
    return "".join(f'<link rel="stylesheet" href="viewer/{path.name}">' for path in sorted(VIEWER.glob("*.css")))
