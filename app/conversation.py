"""What the page asks and how it is answered, step by step: plain data in, messages out.

A message holds everything known so far, the answer's HTML included, so that one lost on the way does no harm and what
the page shows together belongs together; ``request`` tells the page which of its requests it belongs to. Beside an
answer, ``evidence`` is its map, None where it has none, and missing while the map is.
"""

import base64
import logging
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from app import frames, present, report
from app.service import Analysis, Question, Service
from app.store import GoneError
from app.texts import Texts, texts_for
from medmamba.checkpoints import Card
from medmamba.errors import CheckpointError, MedMambaError, RequestError
from medmamba.saliency import LAST_STAGE, EvidenceMap

QUICK_MAPS = {("grad-cam", LAST_STAGE)}  # from what the answer holds: there with the answer, in one step less
Message = dict[str, Any]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wish:
    """A request of the page, checked for types; what its names mean is checked by those who know them."""

    question: Question
    request: int
    class_name: str | None
    method: str
    stage: int
    anyway: bool
    sets: bool
    texts: Texts

    @classmethod
    def from_page(cls, data: Any) -> Self:
        """Reads what the browser sent, which may be anything.

        Raises:
            RequestError: a field is missing or of the wrong kind.
        """
        if not isinstance(data, dict):
            raise RequestError("The request is not an object.")
        question = Question(
            token=field(data, "token", str),
            frame=field(data, "frame", int, 0),
            task=field(data, "task", str, None),
            checkpoint=field(data, "checkpoint", str, None),
        )
        return cls(
            question,
            request=field(data, "request", int, 0),
            class_name=field(data, "className", str, None),
            method=field(data, "method", str, "grad-cam"),
            stage=field(data, "stage", int, LAST_STAGE),
            anyway=field(data, "anyway", bool, False),
            sets=field(data, "sets", bool, False),
            texts=texts_for(field(data, "language", str, "en")),
        )


def ask(service: Service, data: Any) -> Iterator[Message]:
    """Reading, classifying, mapping; a step for each."""
    yield from _guarded(data, lambda wish: _ask(service, wish))


def trust(service: Service, data: Any) -> Iterator[Message]:
    """How far the map on the screen can be relied on."""
    yield from _guarded(data, lambda wish: _trust(service, wish))


def write_report(service: Service, data: Any) -> Iterator[Message]:
    """The picture on the screen as a PDF or PNG page, for the browser to save."""
    yield from _guarded(data, lambda wish: _report(service, wish, data))


def _ask(service: Service, wish: Wish) -> Iterator[Message]:
    image = service.picture(wish.question.token, wish.question.frame)
    description = frames.describe(image, frames.frame_of(image))
    picture = description | {"token": wish.question.token, "frame": wish.question.frame}
    message: Message = {"request": wish.request, "picture": picture}
    yield message | {"progress": "classifying"}
    try:
        analysis = service.classify(wish.question)
    except CheckpointError:
        yield message | {"progress": "classifying", "others": _others(service, wish)}
        raise
    class_name = _class_name(wish, analysis)
    panel = present.answer(analysis, wish.texts, wish.anyway, class_name, service.usable(), wish.sets)
    message |= {"panel": panel}
    if not present.is_shown(analysis, wish.anyway):
        yield message | {"progress": "done", "evidence": None}
        return
    if (wish.method, wish.stage) not in QUICK_MAPS:
        yield message | {"progress": "mapping"}
    map_ = _map(service, wish, analysis)
    yield message | {"progress": "done", "evidence": present.evidence(map_, analysis, wish.texts)}


def _others(service: Service, wish: Wish) -> str:
    """Which model cannot answer, and those that may be asked instead; for a page that has no answer to go back to."""
    name = wish.question.checkpoint or service.default()
    failed = service.models().get(name)
    title = failed.title if isinstance(failed, Card) else name
    others = {other: card for other, card in service.usable().items() if other != name}
    return present.other_models(title, others, wish.texts)


def _trust(service: Service, wish: Wish) -> Iterator[Message]:
    yield {"request": wish.request, "progress": "trusting"}
    analysis = service.classify(wish.question)
    score = service.trust(analysis, _map(service, wish, analysis))
    yield {"request": wish.request, "progress": "done", "trust": present.trust(score, wish.texts)}


def _report(service: Service, wish: Wish, data: dict[str, Any]) -> Iterator[Message]:
    yield {"request": wish.request, "progress": "reporting"}
    window = field(data, "window", list, None)
    if window is not None and not (len(window) == 3 and all(map(is_number, window[:2])) and isinstance(window[2], str)):
        raise RequestError("The window is not a centre, a width and a function.")
    look = report.Look(
        opacity=field(data, "opacity", (int, float), 0.6),
        colormap=field(data, "colormap", str, "cividis"),
        signed=field(data, "signed", bool, False),
        window=None if window is None else (float(window[0]), float(window[1]), window[2]),
    )
    analysis = service.classify(wish.question)
    kind = field(data, "format", str)
    page = report.render(analysis, _map(service, wish, analysis), look, wish.texts, kind)
    content = base64.b64encode(page).decode()
    yield {"request": wish.request, "progress": "done", "report": {"format": kind, "content": content}}


def _map(service: Service, wish: Wish, analysis: Analysis) -> EvidenceMap:
    top = analysis.answer.top
    if top is None:
        raise RequestError("This question has no classes to map.")
    return service.evidence(analysis, _class_name(wish, analysis) or top.name, wish.method, wish.stage)


def _class_name(wish: Wish, analysis: Analysis) -> str | None:
    """The class to map; None for the most probable one.

    Where the network chooses the question, a class may be left from another frame, at which it chose another one.
    """
    is_left = wish.question.task is None and wish.class_name not in analysis.task.class_names
    return None if is_left else wish.class_name


def _guarded(data: Any, steps: Callable[[Wish], Iterator[Message]]) -> Iterator[Message]:
    known: Message = {"request": 0}
    texts = texts_for("en")
    try:
        wish = Wish.from_page(data)
        known, texts = {"request": wish.request}, wish.texts
        for known in steps(wish):
            yield known
    except Exception as error:
        yield known | {"progress": "done", "error": sentence(error, texts), "isGone": isinstance(error, GoneError)}


def sentence(error: Exception, texts: Texts) -> str:
    """The page's one place where an exception becomes a sentence on the screen; a fault of ours is logged."""
    if isinstance(error, MedMambaError):
        return texts.say(str(error))
    where = traceback.extract_tb(error.__traceback__)[-1]  # without the exception's text, which may quote a file
    logger.error("unexpected %s at %s:%s", type(error).__name__, where.name, where.lineno)
    return texts("error.unexpected")


def is_number(value: Any) -> bool:
    """Whether the browser sent a number that a float holds; JSON also has NaN, and whole numbers of any length."""
    return type(value) in (int, float) and abs(value) < 1e300


def field(data: dict[str, Any], name: str, kind: type | tuple[type, ...], *default: Any) -> Any:
    """A field of what the browser sent, held to its kind.

    Raises:
        RequestError: it is missing and has no default, or it is something else.
    """
    value = data.get(name)
    if value is None and default:
        return default[0]
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise RequestError(f"The request's {name} is missing or not of the right kind.")
    if isinstance(value, str) and len(value) > 200:
        raise RequestError(f"The request's {name} is too long.")
    return value
