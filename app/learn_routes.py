"""The routes of the Learn tab: quizzes, and the deck editor's reading and writing. JSON in, JSON out.

Before a case is answered, these routes send its position, its size and its pixels; never its truth, its text, its place
in the deck or what the network says of it.
"""

import io
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from PIL import Image
from starlette.concurrency import run_in_threadpool

from app import frames, opinion, quiz
from app.conversation import field, is_number, sentence
from app.quiz import Quiz
from app.routes import PRIVATE
from app.service import Service
from app.store import GoneError
from app.texts import Texts, texts_for
from app.tutor import Tutor
from medmamba.deck import MODALITY, Case, Deck, classes_of, read_deck, write_deck
from medmamba.errors import MedMambaError, RequestError
from medmamba.lessons import FAMILIAR, KNOWN, OTHER, is_answered, listed

THUMBNAIL = 160  # pixels of the longer side
T = TypeVar("T")


def learn_routes(tutor: Tutor, service: Service, upload_bytes: int) -> APIRouter:
    """Everything under ``/learn``."""
    router = APIRouter(prefix="/learn")

    async def answered(request: Request, act: Callable[[Texts], T], form: Callable[[T], Response]) -> Response:
        """Does something in a thread; what is wrong becomes a sentence in the visitor's language."""
        texts = texts_for(request.headers.get("accept-language", "en")[:20])
        try:
            return form(await run_in_threadpool(act, texts))
        except Exception as error:
            status = 410 if isinstance(error, GoneError) else 422 if isinstance(error, MedMambaError) else 500
            return PlainTextResponse(sentence(error, texts), status_code=status, headers=PRIVATE)

    async def body_of(request: Request) -> bytes:
        body = await request.body()
        return body if len(body) <= upload_bytes else b""

    @router.get("/decks")
    async def decks(request: Request) -> Response:
        """The decks to choose from, and the questions that a deck may ask."""
        return await answered(request, lambda texts: _decks(tutor, service, texts), _json)

    @router.post("/quizzes")
    async def start(request: Request) -> Response:
        """Begin a quiz with the deck named in the query, or else with the ZIP in the body."""
        body, name = await body_of(request), request.query_params.get("deck")
        return await answered(request, lambda texts: _start(tutor, service, name, body, texts), _json)

    @router.get("/quizzes/{token}/results")
    async def results(request: Request, token: str) -> Response:
        """What came of the answers so far."""
        return await answered(request, lambda texts: _results(tutor, token), _json)

    @router.get("/quizzes/{token}/table")
    async def table(request: Request, token: str) -> Response:
        """The answers as CSV."""
        return await answered(request, lambda texts: _table(tutor, token, texts), _csv)

    @router.get("/quizzes/{token}/{position}")
    async def case(request: Request, token: str, position: int) -> Response:
        """The size and the presets of a case's picture; if it has been answered, also what was said and the truth."""
        return await answered(request, lambda texts: _case(tutor, token, position), _json)

    @router.get("/quizzes/{token}/{position}/samples")
    async def samples(request: Request, token: str, position: int) -> Response:
        """The samples of a case's picture, compressed."""
        return await answered(
            request, lambda texts: frames.frame_of(tutor.picture(token, position)).compressed(), _binary
        )

    @router.post("/quizzes/{token}/{position}")
    async def commit(request: Request, token: str, position: int) -> Response:
        """Commit an answer; the truth comes back."""
        data = await _object(request)
        return await answered(request, lambda texts: _commit(tutor, token, position, data), _json)

    @router.get("/quizzes/{token}/{position}/network")
    async def network(request: Request, token: str, position: int) -> Response:
        """What the network says of an answered case."""
        return await answered(request, lambda texts: _network(tutor, token, position, texts), _json)

    @router.post("/decks")
    async def write(request: Request) -> Response:
        """A deck as ZIP, from held pictures and what is said of them; no larger than is taken back."""
        data = await _object(request)
        return await answered(request, lambda texts: write_deck(_deck(service, data), upload_bytes), _zip)

    @router.get("/thumbnails/{token}")
    async def thumbnail(request: Request, token: str) -> Response:
        """A held picture, small, for the editor."""
        return await answered(request, lambda texts: _thumbnail(service, token), _png)

    @router.post("/drafts")
    async def read(request: Request) -> Response:
        """A ZIP for the editor; its pictures are held, each under a token."""
        body = await body_of(request)
        return await answered(request, lambda texts: _draft(service, read_deck(body)), _json)

    return router


def _decks(tutor: Tutor, service: Service, texts: Texts) -> dict[str, Any]:
    card = service.default_card()
    tasks = [] if card is None else [t for t in card.layout.tasks if t.classes and t.uploads]
    questions = [
        {"name": t.name, "question": texts.term(t.question), "classes": _classes(card, t.name, texts)} for t in tasks
    ]
    if card is not None and card.layout.routed:
        kinds = {"name": MODALITY, "question": texts("learn.question.modality")}
        questions.append(kinds | {"classes": _classes(card, MODALITY, texts)})
    if card is not None and card.novelty:
        answers = [{"name": name, "label": texts(f"learn.familiar.{name}")} for name in (KNOWN, OTHER)]
        questions.append({"name": FAMILIAR, "question": texts("learn.question.familiar"), "classes": answers})
    return {"decks": listed(tutor.decks(), texts.language), "tasks": questions}


def _classes(card: Any, task: str, texts: Texts) -> list[dict[str, str]]:
    return [{"name": name, "label": texts.label(name, label)} for name, label in classes_of(task, card)]


def _start(tutor: Tutor, service: Service, name: str | None, body: bytes, texts: Texts) -> dict[str, Any]:
    if name is not None:
        known = tutor.decks()
        if name not in known:
            raise RequestError("There is no such deck any more. Choose another.")
        deck = known[name]
    else:
        deck = read_deck(body)
    card = service.default_card()
    token = tutor.start(deck, is_own=name is None)
    tutor.prepare(token, 0)
    return {
        "quiz": token,
        "title": deck.title,
        "language": deck.language,
        "question": texts.either(opinion.question_of(deck.task, card) or "learn.question.own"),
        "count": len(deck.cases),
        "classes": [{"name": n, "label": texts.label(n, label)} for n, label in deck.classes],
        "hasNetwork": card is not None and is_answered(deck.task, dict(deck.classes), card),
    }


def _case(tutor: Tutor, token: str, position: int) -> dict[str, Any]:
    image = tutor.picture(token, position)
    tutor.prepare(token, position)
    with tutor.quiz(token) as held:
        said = held.responses.get(position)
        shown = {"picture": frames.describe(image, frames.frame_of(image)), "response": None}
        return shown | ({} if said is None else _revealed(held, position))


def _commit(tutor: Tutor, token: str, position: int, data: dict[str, Any]) -> dict[str, Any]:
    mark = field(data, "mark", list, None)
    if mark is not None and not (len(mark) == 2 and all(map(is_number, mark))):
        raise RequestError("The mark is not a place on the picture.")
    place = None if mark is None else (float(mark[0]), float(mark[1]))
    response = quiz.Response(field(data, "choice", str), field(data, "confidence", str), place)
    with tutor.quiz(token) as held:
        held.answer(position, response)
        return _revealed(held, position)


def _revealed(held: Quiz, position: int) -> dict[str, Any]:
    case, said = held.answered(position), held.responses[position]
    return {
        "response": {"choice": said.choice, "confidence": said.confidence, "mark": said.mark},
        "truth": case.truth,
        "right": case.truth == said.choice,
        "text": case.text,
        "source": " · ".join(filter(None, (case.source, case.licence))),
    }


def _network(tutor: Tutor, token: str, position: int, texts: Texts) -> dict[str, Any]:
    said = tutor.opinion(token, position)
    words = [texts("learn.network.none")] if said.choice is None else []
    if said.choice is not None and said.distance is not None and said.limit is not None:
        key = "learn.network.refused" if said.refused else "learn.network.accepted"
        words.append(texts(key, distance=texts.decimal(said.distance, 2), limit=texts.decimal(said.limit, 2)))
    if said.recognised is not None and not said.probabilities:
        modality, share = said.recognised
        words.append(texts("learn.network.recognised", modality=texts.term(modality), percent=texts.percent(share)))
    evidence = said.evidence and said.evidence | {"note": said.notes[texts.language]}
    return {
        "choice": said.choice,
        "probabilities": said.probabilities,
        "percents": {name: texts.percent(share) for name, share in said.probabilities.items()},
        "refused": said.refused,
        "words": words,
        "evidence": evidence,
    }


def _results(tutor: Tutor, token: str) -> dict[str, Any]:
    with tutor.quiz(token) as held:
        found = quiz.results(held, tutor.opinions(held))
    tallies = {name: vars(getattr(found, name)) for name in ("all", "network", "student_beside", "network_wrong")}
    return tallies | {
        "by_confidence": {name: vars(tally) for name, tally in found.by_confidence.items()},
        "by_class": {name: vars(tally) for name, tally in found.by_class.items()},
        "declined": found.declined,
        "agreed": found.agreed,
        "misses": [
            {"position": p, "choice": held.responses[p].choice, "truth": held.case(p).truth} for p in found.misses
        ],
    }


def _table(tutor: Tutor, token: str, texts: Texts) -> str:
    with tutor.quiz(token) as held:
        return quiz.table(held, tutor.opinions(held), texts("strip"))


def _deck(service: Service, data: dict[str, Any]) -> Deck:
    """What the editor sends, with the pictures taken from memory."""
    classes = tuple((field(c, "name", str), field(c, "label", str)) for c in _objects(data, "classes"))
    cases = tuple(
        Case(
            _picture(service, field(entry, "token", str), number),
            field(entry, "truth", str),
            *(_text(entry, name) for name in ("text", "source", "licence")),
        )
        for number, entry in enumerate(_objects(data, "cases"), 1)
    )
    return Deck(field(data, "title", str), field(data, "language", str), field(data, "task", str), classes, cases)


def _picture(service: Service, token: str, number: int) -> bytes:
    try:
        return service.file(token)
    except GoneError:
        raise GoneError(f"Case {number}: its picture is no longer held in memory. Add it again.") from None


def _text(entry: dict[str, Any], name: str) -> str:
    """A free text, whose length the deck's schema bounds."""
    value = entry.get(name, "")
    if not isinstance(value, str):
        raise RequestError(f"The request's {name} is not text.")
    return value


def _objects(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    listed = field(data, name, list)
    if not all(isinstance(entry, dict) for entry in listed):
        raise RequestError(f"The request's {name} are not objects.")
    return listed


def _draft(service: Service, deck: Deck) -> dict[str, Any]:
    return {
        "title": deck.title,
        "language": deck.language,
        "task": deck.task,
        "classes": [{"name": name, "label": label} for name, label in deck.classes],
        "cases": [
            {
                "token": service.hold(case.picture),
                "truth": case.truth,
                "text": case.text,
                "source": case.source,
                "licence": case.licence,
            }
            for case in deck.cases
        ],
    }


def _thumbnail(service: Service, token: str) -> bytes:
    shown = Image.fromarray(service.picture(token).display())
    shown.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    shown.save(buffer, "PNG")
    return buffer.getvalue()


async def _object(request: Request) -> dict[str, Any]:
    try:
        data = await request.json()
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _json(value: Any) -> Response:
    return JSONResponse(value, headers=PRIVATE)


def _csv(text: str) -> Response:
    return Response(text, media_type="text/csv", headers=PRIVATE)


def _zip(content: bytes) -> Response:
    return Response(content, media_type="application/zip", headers=PRIVATE)


def _png(content: bytes) -> Response:
    return Response(content, media_type="image/png", headers=PRIVATE)


def _binary(content: bytes) -> Response:
    return Response(content, media_type="application/octet-stream", headers=PRIVATE | {"Content-Encoding": "deflate"})
