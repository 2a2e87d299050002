"""Routes beside Gradio's: files into memory, samples out of it, the page's texts and scripts."""

import asyncio
import errno
import io
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from app import frames
from app.examples import Gallery
from app.present import task_title
from app.service import Service
from app.texts import texts_for
from medmamba import archive
from medmamba.errors import MedMambaError

VIEWER = Path(__file__).parent / "viewer"
PRIVATE = {"Cache-Control": "no-store"}
DECODED_AT_ONCE = 4  # frames: each takes memory beside its picture, and a thread that other requests wait for, too
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DISK_FULL = "The server's disk is full. Try again later, and tell whoever runs this page."
Language = Annotated[str, Header(alias="Accept-Language")]


def add_routes(
    server: FastAPI, service: Service, gallery: Gallery, upload_bytes: int, answers: Callable[[], bool]
) -> None:
    """Puts the routes on the server; Gradio is mounted behind them. ``answers`` says whether its queue still runs."""
    decoding = asyncio.Semaphore(DECODED_AT_ONCE)

    @server.post("/pictures")
    async def hold(request: Request, later: bool = False, language: Language = "en") -> Response:
        """The bytes of one file, asked about next or ``later``; answers with the token they are held under."""
        data = await request.body()
        if len(data) > upload_bytes:
            sentence = f"The file is larger than {upload_bytes >> 20} MB. Export one picture or fewer frames of it."
            return _sentence(sentence, 413, language)
        if not data:
            return _sentence("The file is empty. Export it again.", 422, language)
        return PlainTextResponse(service.hold(data) if later else service.take_in(data), headers=PRIVATE)

    @server.post("/archives")
    async def unpack(request: Request, language: Language = "en") -> Response:
        """The bytes of a ZIP; answers with the path and the token of every file in it."""
        data = await request.body()
        try:
            held = await run_in_threadpool(lambda: [[str(path), service.hold(f)] for path, f in archive.entries(data)])
        except MedMambaError as error:
            return _sentence(str(error), 422, language)
        return JSONResponse(held, headers=PRIVATE)

    @server.get("/pictures/{token}/{frame}")
    async def samples(token: str, frame: int, language: Language = "en") -> Response:
        """The samples of a frame, compressed."""
        try:
            async with decoding:
                body = await run_in_threadpool(lambda: frames.frame_of(service.picture(token, frame)).compressed())
        except MedMambaError as error:
            return _sentence(str(error), 404, language)
        headers = PRIVATE | {"Content-Encoding": "deflate"}
        return Response(body, media_type="application/octet-stream", headers=headers)

    @server.post("/pictures/{token}/{frame}/part")
    async def hold_part(
        token: str, frame: int, left: int, top: int, width: int, height: int, language: Language = "en"
    ) -> Response:
        """Holds a rectangle of a frame, in its pixels, as if it had been sent; answers with its token."""
        try:
            async with decoding:
                part = await run_in_threadpool(service.take_part, token, frame, left, top, width, height)
        except MedMambaError as error:
            return _sentence(str(error), 422, language)
        return PlainTextResponse(part, headers=PRIVATE)

    @server.delete("/pictures/{token}")
    def forget(token: str) -> Response:
        """Forgets a file at once; nothing happens if it is not held."""
        service.drop(token)
        return Response(status_code=204, headers=PRIVATE)

    @server.get("/models")
    def models(language: Language = "en") -> list[dict[str, object]]:
        """What many pictures can be asked, and of which model; the default one first."""
        texts = texts_for(language)
        return [
            {
                "name": name,
                "title": card.title,
                "routed": bool(card.layout.routed),
                "tasks": [
                    {"name": task.name, "title": task_title(task, texts)}
                    for task in card.layout.tasks
                    if task.uploads and task.classes
                ],
            }
            for name, card in service.usable().items()
        ]

    @server.get("/examples")
    def examples(language: Language = "en") -> list[dict[str, object]]:
        """What is known of every picture to try."""
        texts = texts_for(language)
        return [
            {
                "number": number,
                "title": texts.term(example.title) or texts("examples.number", number=number + 1),
                "label": example.label and texts.term(example.label),
                "source": texts.term(example.source),
                "licence": texts.term(example.licence),
            }
            for number, example in gallery.shown().items()
        ]

    @server.get("/examples/{number}")
    def thumbnail(number: int, language: Language = "en") -> Response:
        """A small picture of an example."""
        buffer = io.BytesIO()
        try:
            gallery.thumbnail(number).save(buffer, "PNG")
        except MedMambaError as error:
            return _sentence(str(error), 404, language)
        return Response(buffer.getvalue(), media_type="image/png")

    @server.post("/examples/{number}")
    def hold_example(number: int, language: Language = "en") -> Response:
        """Holds an example as if it had been sent; answers with its token."""
        try:
            return PlainTextResponse(service.take_in(gallery.data(number)), headers=PRIVATE)
        except MedMambaError as error:
            return _sentence(str(error), 404, language)

    @server.get("/texts/{language}")
    def words(language: str) -> dict[str, str]:
        """All texts of the page in the best language there is for a code, with English where it has none."""
        return texts_for(language).all()

    @server.head("/healthz")  # as balancers ask whom the status alone concerns
    @server.get("/healthz")
    async def alive() -> Response:  # needs no thread, as all may be taken when a supervisor asks
        """503 once questions are no longer taken: only a new start helps then."""
        is_alive = answers()
        return JSONResponse({"status": "ok" if is_alive else "stopped"}, 200 if is_alive else 503, PRIVATE)

    @server.head("/readyz")
    @server.get("/readyz")
    async def ready() -> Response:
        """503 until reader and network have run once: a balancer should send nobody here yet."""
        is_ready = service.is_warm
        return JSONResponse({"status": "ready" if is_ready else "starting"}, 200 if is_ready else 503, PRIVATE)

    server.mount("/viewer", StaticFiles(directory=VIEWER), name="viewer")


def refused(request: Request, error: Exception) -> Response:
    """What becomes of a body that the gate has cut off while a route was reading it."""
    status, detail = getattr(error, "status_code", 500), getattr(error, "detail", "")
    return _sentence(detail, status, request.headers.get("accept-language", "")[:100])


def misshapen(request: Request, _: Exception) -> Response:
    """What becomes of a request that lacks a field, say; FastAPI's own answer would repeat what was sent."""
    return _sentence("The request is not of the expected form.", 422, request.headers.get("accept-language", "")[:100])


def misnamed(request: Request, error: Exception) -> Response:
    """What becomes of a call with a field that its endpoint does not have, or without one that it needs.

    Gradio tells those apart in one function of its own; a TypeError from anywhere else is a defect and goes on.
    """
    if traceback.extract_tb(error.__traceback__)[-1].name != "construct_args":
        raise error
    return misshapen(request, error)


def disk_fails(request: Request, error: Exception) -> Response:
    """What becomes of an upload for which there is no space on the disk."""
    if getattr(error, "errno", None) not in NO_SPACE:
        raise error
    return _sentence(DISK_FULL, 507, request.headers.get("accept-language", "")[:100])


def _sentence(text: str, status: int, language: str) -> PlainTextResponse:
    return PlainTextResponse(texts_for(language).say(text), status_code=status, headers=PRIVATE)
