"""Routes beside Gradio's: files into memory, samples out of it, the page's texts and scripts."""

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

from app import frames, texts
from app.service import Service
from medmamba import archive
from medmamba.errors import MedMambaError

VIEWER = Path(__file__).parent / "viewer"
PRIVATE = {"Cache-Control": "no-store"}


def add_routes(server: FastAPI, service: Service, upload_bytes: int) -> None:
    """Puts the routes on the server; Gradio is mounted behind them."""

    @server.post("/pictures")
    async def hold(request: Request) -> Response:
        """The bytes of one file; answers with the token they are held under."""
        data = await request.body()
        if len(data) > upload_bytes:
            return _sentence(
                f"The file is larger than {upload_bytes >> 20} MB. Export one picture or fewer frames.", 413
            )
        if not data:
            return _sentence("The file is empty.", 422)
        return PlainTextResponse(service.hold(data), headers=PRIVATE)

    @server.post("/archives")
    async def unpack(request: Request) -> Response:
        """The bytes of a ZIP; answers with the name and the token of every file in it."""
        data = await request.body()
        try:
            held = await run_in_threadpool(lambda: [[path.name, service.hold(f)] for path, f in archive.entries(data)])
        except MedMambaError as error:
            return _sentence(str(error), 422)
        return JSONResponse(held, headers=PRIVATE)

    @server.get("/pictures/{token}/{frame}")
    async def samples(token: str, frame: int) -> Response:
        """The samples of a frame, compressed."""
        try:
            body = await run_in_threadpool(lambda: frames.frame_of(service.picture(token, frame)).compressed())
        except MedMambaError as error:
            return _sentence(str(error), 404)
        headers = PRIVATE | {"Content-Encoding": "deflate"}
        return Response(body, media_type="application/octet-stream", headers=headers)

    @server.get("/texts/{language}")
    def words(language: str) -> dict[str, str]:
        """All texts of the best language there is for a code, with English where it has none."""
        return texts.texts_for(language).all()

    @server.get("/health")
    def health() -> dict[str, str]:
        """Answers when the server does."""
        return {"status": "ok"}

    server.mount("/viewer", StaticFiles(directory=VIEWER), name="viewer")


def _sentence(text: str, status: int) -> PlainTextResponse:
    return PlainTextResponse(text, status_code=status, headers=PRIVATE)
