"""The rooms over HTTP, beside the Gradio page: three small pages, and JSON for their scripts.

Students and teachers show their key as ``Authorization: Bearer``, so that no key is in an address or a log, and no
other site's page can send it. Views carry an ETag; a poll that finds nothing new is answered 304 without a body.
"""

import io
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import segno
from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from fastapi import Path as PathNumber
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from app.classroom import opening, record, rules, views
from app.classroom.attendant import Attendant
from app.classroom.rules import RoomError
from app.classroom.store import Room, RoomStore, Student
from app.classroom.throttle import Throttle
from app.logs import places
from app.service import Service
from app.texts import read, texts_for
from medmamba.deck import Deck, read_deck
from medmamba.errors import MedMambaError
from medmamba.lessons import listed

PREFIX = "/classroom"
PAGES = Path(__file__).parent / "pages"
PRIVATE = {"Cache-Control": "no-store"}
PICTURE = {"Cache-Control": "no-store", "Content-Type": "image/png"}
MAX_JSON = 4096  # bytes of a student's request
LINK_LENGTH = 200
NOT_SAVED = "Nothing can be saved at the moment; what was saved before is safe. Try again in a minute."

Key = Annotated[str, Header(alias="authorization")]
Number = Annotated[int, PathNumber(le=2**31 - 1)]  # what a database holds


logger = logging.getLogger(__name__)


class Desk:
    """What the routes share. hours: how long a room lives. decks: the decks to choose from, by name."""

    def __init__(
        self,
        store: RoomStore,
        service: Service,
        hours: float,
        decks: Callable[[], dict[str, Deck]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store, self.service, self.hours, self.decks, self.clock = store, service, hours, decks, clock
        self.attendant = Attendant(store, service)
        self.misses = Throttle(60, 60.0, clock)  # wrong codes; a whole hospital may share an address
        self.openings = Throttle(20, 600.0, clock)

    def join(self, address: str, code: str, name: str) -> tuple[Student, str]:
        """A place in a room; an address that has named too many codes that do not exist has to wait."""
        if not self.misses.take(address):  # before the code is looked up: many at the same time must not pass together
            raise RoomError("Too many wrong codes came from here. Wait a minute.", 429)
        is_wrong = False
        try:
            return self.store.join(code, name, self.clock())
        except RoomError as error:
            is_wrong = error.status == 404
            raise
        finally:
            if not is_wrong:
                self.misses.give(address)


def add_classroom(server: FastAPI, desk: Desk) -> None:
    """Puts the rooms on the server."""
    server.include_router(_pages())
    server.include_router(_students(desk))
    server.include_router(_teachers(desk))
    server.mount(f"{PREFIX}/pages", StaticFiles(directory=PAGES), name="classroom")

    @server.exception_handler(MedMambaError)
    def explain(request: Request, error: MedMambaError) -> Response:
        texts = texts_for(request.headers.get("accept-language", "")[:100])
        status = error.status if isinstance(error, RoomError) else 422
        return JSONResponse({"error": texts.say(str(error))}, status, PRIVATE)

    @server.exception_handler(SQLAlchemyError)
    def excuse(request: Request, error: SQLAlchemyError) -> Response:
        """The database is full or away; what it had acknowledged it keeps."""
        logger.error("the rooms' database failed: %s", places(error))
        texts = texts_for(request.headers.get("accept-language", "")[:100])
        return JSONResponse({"error": texts.say(NOT_SAVED)}, 503, PRIVATE)


def _pages() -> APIRouter:
    router = APIRouter(prefix=PREFIX)
    for path, page in (("/", "student"), ("/teach", "teach"), ("/projector", "projector")):
        router.add_api_route(path, _page(page), response_class=FileResponse)
    return router


def _page(name: str) -> Callable[[], FileResponse]:
    return lambda: FileResponse(PAGES / f"{name}.html", media_type="text/html")


def _students(desk: Desk) -> APIRouter:
    router = APIRouter(prefix=f"{PREFIX}/rooms/{{code}}")
    store = desk.store

    def seat(code: str, authorization: Key = "") -> tuple[Room, Student]:
        return store.as_student(rules.code_of(code), _key(authorization), desk.clock())

    Seat = Annotated[tuple[Room, Student], Depends(seat)]

    @router.post("/students")
    async def join(request: Request, code: str) -> Response:
        """A place in the room, under a nickname."""
        entry = await _json(request)
        name = entry.get("name", "") if isinstance(entry, dict) else ""
        code = rules.code_of(code)
        student, key = await run_in_threadpool(desk.join, _address(request), code, str(name))
        return JSONResponse({"key": key, "label": student.label, "code": code}, headers=PRIVATE)

    @router.get("/student")
    def look(request: Request, seat: Seat) -> Response:
        """What the student may see now."""
        (room, student), now = seat, desk.clock()
        stage = room.stage.at(now)
        tag = views.student_tag(store, room, student, stage)
        return _tagged(request, tag, lambda: views.for_student(store, room, student, stage, now))

    @router.put("/answers/{position}")
    async def answer(request: Request, position: int, seat: Seat) -> Response:
        """Take an answer; once this is acknowledged, it is on disk."""
        room, student = seat
        reply = rules.reply_of(await _json(request), {name for name, _ in room.classes})
        await run_in_threadpool(store.answer, room, student, position, reply, desk.clock())
        return Response(status_code=204, headers=PRIVATE)

    @router.delete("/student/name")
    def forget_name(seat: Seat) -> Response:
        """Delete one's nickname."""
        store.drop_name(seat[0], seat[1].number)
        return Response(status_code=204, headers=PRIVATE)

    @router.delete("/student")
    def leave(seat: Seat) -> Response:
        """Delete oneself with all answers."""
        store.leave(*seat)
        return Response(status_code=204, headers=PRIVATE)

    return router


def _teachers(desk: Desk) -> APIRouter:
    router = APIRouter(prefix=PREFIX)
    store = desk.store

    def own(code: str, authorization: Key = "") -> Room:
        return store.as_teacher(rules.code_of(code), _key(authorization), desk.clock())

    def shown(code: str, authorization: Key = "") -> Room:
        return store.as_projector(rules.code_of(code), _key(authorization), desk.clock())

    Own = Annotated[Room, Depends(own)]
    Shown = Annotated[Room, Depends(shown)]

    @router.get("/words/{language}")
    def words(language: str) -> dict[str, str]:
        """The page's texts and the terms that decks and cards use, in the best language there is."""
        known = read("en") | read(texts_for(language[:100]).language)
        return {key: text for key, text in known.items() if not key.startswith("say:")}

    @router.get("/decks")
    def decks(request: Request) -> Response:
        """The decks to choose from, those in the visitor's language first."""
        language = texts_for(request.headers.get("accept-language", "")[:100]).language
        return JSONResponse(listed(desk.decks(), language), headers=PRIVATE)

    @router.post("/rooms")
    async def open_room(request: Request, deck: str = "", seconds: int = 0, names: bool = False) -> Response:
        """Open a room with a deck of the list, or with the ZIP in the body; answers with its code and the key."""
        address = _address(request)
        if desk.openings.is_empty(address):
            raise RoomError("Too many rooms were opened from here. Wait some minutes.", 429)
        if seconds and seconds not in opening.SECONDS:
            raise RoomError("The time for a case is 5 seconds to an hour.", 422)
        desk.openings.take(address)
        body = await request.body()

        def start() -> tuple[Room, str]:
            chosen = desk.decks().get(deck) if deck else read_deck(body)
            if chosen is None:
                raise RoomError("There is no such deck any more. Choose another.", 404)
            new = opening.room_of(chosen, desk.service, seconds or None, names)
            return store.open_room(new, desk.clock(), desk.hours)

        room, key = await run_in_threadpool(start)
        desk.attendant.call()
        return JSONResponse({"code": room.code, "key": key}, headers=PRIVATE)

    @router.get("/rooms/{code}/teacher")
    def look(request: Request, room: Shown, authorization: Key = "") -> Response:
        """What control page and projector show now."""
        now, counts = desk.clock(), store.counts(room)
        stage = room.stage.at(now)
        tag = views.teacher_tag(room, stage, counts)

        def is_named() -> bool:  # a projector's link is where others may find it
            return room.names or store.is_teacher(room, _key(authorization))

        return _tagged(request, tag, lambda: views.for_teacher(store, room, stage, counts, now, is_named()))

    @router.post("/rooms/{code}/steps")
    def step(room: Shown, step: str, version: int) -> Response:
        """Take a step, as long as the room is as the page saw it."""
        must_be_heard = step == "reveal" and room.model and room.stage.position >= 0
        if must_be_heard and store.case(room, room.stage.position).network is None:
            raise RoomError("The network is still looking at this case. Try again in a moment.")
        store.step(room, step, version, desk.clock())
        return Response(status_code=204, headers=PRIVATE)

    @router.post("/rooms/{code}/projectors")
    def project(room: Own) -> Response:
        """A key for a projector on another computer: it shows the room and takes steps, and may do nothing else."""
        return JSONResponse({"key": store.let_project(room)}, headers=PRIVATE)

    @router.put("/rooms/{code}/lock")
    def lock(room: Own) -> Response:
        """Let nobody else join."""
        store.lock(room, True)
        return Response(status_code=204, headers=PRIVATE)

    @router.delete("/rooms/{code}/lock")
    def unlock(room: Own) -> Response:
        """Let others join again."""
        store.lock(room, False)
        return Response(status_code=204, headers=PRIVATE)

    @router.delete("/rooms/{code}/names/{number}")
    def drop_name(room: Own, number: Number) -> Response:
        """Delete a student's nickname."""
        store.drop_name(room, number)
        return Response(status_code=204, headers=PRIVATE)

    @router.delete("/rooms/{code}")
    def delete_room(room: Own) -> Response:
        """Delete the room with everything in it."""
        store.delete_room(room)
        return Response(status_code=204, headers=PRIVATE)

    @router.get("/rooms/{code}/qr.svg")
    def qr(room: Shown, link: str) -> Response:
        """The link to the room as a QR code; the teacher's browser knows the address under which it is reached."""
        parts = urlsplit(link)
        if parts.scheme not in ("http", "https") or parts.fragment != room.code or len(link) > LINK_LENGTH:
            raise RoomError("This is not the link of the room.", 422)
        buffer = io.BytesIO()
        segno.make(link, micro=False, error="m").save(buffer, kind="svg", scale=8, border=3, light="#fff", dark="#000")
        return Response(buffer.getvalue(), media_type="image/svg+xml", headers=PRIVATE)

    @router.get("/rooms/{code}/results.csv")
    def table(room: Own, language: str = "en", names: bool = False) -> Response:
        """Every answer as a row of a table."""
        content = record.table(store, room, texts_for(language[:20]), names)
        return Response(content, media_type="text/csv", headers=PRIVATE)

    @router.get("/rooms/{code}/results.pdf")
    def sheet(room: Own, language: str = "en", names: bool = False) -> Response:
        """The session on paper."""
        content = record.sheet(store, room, texts_for(language[:20]), names)
        return Response(content, media_type="application/pdf", headers=PRIVATE)

    @router.get("/pictures/{token}")
    def picture(token: str) -> Response:
        """A picture by its random name, once its case has been opened."""
        return Response(store.picture(token, desk.clock()), headers=PICTURE)

    return router


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _key(authorization: str) -> str:
    return authorization.removeprefix("Bearer ")


def _tagged(request: Request, tag: str, view: Callable[[], Any]) -> Response:
    headers = PRIVATE | {"ETag": f'"{tag}"'}
    known = request.headers.get("if-none-match", "").removeprefix("W/")  # weak, where a proxy has compressed the view
    if known == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return JSONResponse(view(), headers=headers)


async def _json(request: Request) -> Any:
    """A small JSON body.

    Raises:
        RoomError: it is none.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_JSON:
            raise RoomError("The request is too large.", 413)
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise RoomError("The request is not JSON.", 422) from None
