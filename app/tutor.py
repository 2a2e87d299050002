"""Quizzes under way, each behind a random token in memory, and the network's answers to their cases.

The network is asked in one background thread as soon as a case is shown, for it and for the next, so that its answer is
there when the student has thought; an answer once given is kept for everybody who meets the same picture and question,
as long as the checkpoint is the same.
"""

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from app import opinion
from app.opinion import Opinion
from app.quiz import Quiz
from app.service import Service
from medmamba import images, lessons
from medmamba.deck import LONGEST, Case, Deck
from medmamba.errors import RequestError
from medmamba.images import MedicalImage

GONE = "This quiz is no longer held in memory. Start it again."
OPINIONS_KEPT = 2000
ASKED_AHEAD = 32  # cases of all quizzes that may wait for the network before anybody has answered them
QUIZ_BYTES = 2**12  # of memory, without pictures


@dataclass
class _Held:
    """A quiz under way. brought: bytes of the deck, if it is the visitor's own. shown: position and picture on show."""

    quiz: Quiz
    brought: int
    touched: float
    shown: tuple[int, MedicalImage] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size(self) -> int:
        """Bytes of memory, near enough."""
        shown = self.shown
        return QUIZ_BYTES + self.brought + (shown[1].nbytes if shown else 0)


class Tutor:
    """Safe for threads. Quizzes are bounded in time and in bytes: of decks that visitors brought, of pictures shown."""

    def __init__(
        self, service: Service, max_bytes: int, max_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._service, self._max_bytes, self._max_seconds, self._clock = service, max_bytes, max_seconds, clock
        self._held: OrderedDict[str, _Held] = OrderedDict()  # the longest untouched first
        self._opinions: OrderedDict[bytes, Future[Opinion]] = OrderedDict()
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tutor")

    @staticmethod
    def decks() -> dict[str, Deck]:
        """The decks that anybody may open, by name."""
        return lessons.decks()

    def start(self, deck: Deck, is_own: bool) -> str:
        """Begin a quiz; returns its token. is_own: the deck is the visitor's, so its bytes are held for him alone."""
        token = secrets.token_urlsafe(16)
        brought = sum(len(case.picture) for case in deck.cases) if is_own else 0
        with self._lock:
            self._held[token] = _Held(Quiz.shuffled(deck), brought, self._clock())
            self._make_room()
        return token

    def forget_old(self) -> None:
        """Forget the quizzes that have been untouched for too long; a server that nobody asks must be told to."""
        with self._lock:
            self._forget_old()

    @contextmanager
    def quiz(self, token: str) -> Iterator[Quiz]:
        """The quiz behind a token, for one thread at a time.

        Raises:
            RequestError: it is not held, or no longer.
        """
        held = self._get(token)
        with held.lock:
            yield held.quiz

    def picture(self, token: str, position: int) -> MedicalImage:
        """The picture of a case as everybody sees it: 8 bits, no word of its file, at most ``LONGEST`` pixels a side.

        Raises:
            RequestError: no such quiz or case.
            ImageError: the picture cannot be read.
        """
        held = self._get(token)
        with held.lock:
            if held.shown is None or held.shown[0] != position:
                held.shown = (position, neutral(held.quiz.case(position)))
                with self._lock:
                    self._make_room()
            return held.shown[1]

    def prepare(self, token: str, position: int) -> None:
        """Ask the network about a case and the next, without waiting; not where it is behind already."""
        quiz = self._get(token).quiz
        with self._lock:
            behind = sum(not asked.done() for asked in self._opinions.values())
        if behind < ASKED_AHEAD:
            self._ask(quiz.deck, [quiz.case(place) for place in range(position, min(position + 2, len(quiz.order)))])

    def opinion(self, token: str, position: int) -> Opinion:
        """The network's answer to an answered case; waits for it.

        Raises:
            RequestError: no such quiz or case, or it has not been answered.
        """
        with self.quiz(token) as quiz:
            case = quiz.answered(position)
        [asked] = self._ask(quiz.deck, [case])
        return asked.result()

    def opinions(self, quiz: Quiz) -> dict[int, Opinion]:
        """The network's answers to the answered cases that are there by now, by position."""
        asked = zip(quiz.responses, self._ask(quiz.deck, map(quiz.case, quiz.responses)), strict=True)
        return {position: f.result() for position, f in asked if f.done() and f.exception() is None}

    def _ask(self, deck: Deck, cases: Iterable[Case]) -> "list[Future[Opinion]]":
        """The answers to a deck's cases, known or to come."""
        classes = [name for name, _ in deck.classes]
        card = self._service.default_card()
        question = "\0".join((card.sha256 if card else "", deck.task, *classes, "")).encode()
        return [self._answer(question, case.picture, deck.task, classes) for case in cases]

    def _answer(self, question: bytes, picture: bytes, task: str, classes: list[str]) -> "Future[Opinion]":
        key = hashlib.sha256(question + picture).digest()
        with self._lock:
            known = self._opinions.get(key)
            if known is None or _has_failed(known):
                known = self._opinions[key] = self._thread.submit(opinion.ask, self._service, picture, task, classes)
                while len(self._opinions) > OPINIONS_KEPT:
                    self._opinions.popitem(last=False)
            return known

    def _get(self, token: str) -> _Held:
        with self._lock:
            self._make_room()
            held = self._held.get(token)
            if held is None:
                raise RequestError(GONE)
            held.touched = self._clock()
            self._held.move_to_end(token)
        return held

    def _make_room(self) -> None:
        """Drops what is too old, then the longest untouched until the rest fits; the newest always stays."""
        self._forget_old()
        while len(self._held) > 1 and sum(held.size for held in self._held.values()) > self._max_bytes:
            self._held.popitem(last=False)

    def _forget_old(self) -> None:
        oldest = self._clock() - self._max_seconds
        while self._held and next(iter(self._held.values())).touched < oldest:
            self._held.popitem(last=False)


def _has_failed(asked: "Future[Opinion]") -> bool:
    """Whether no network was heard, for a reason that may pass: a full queue, or a checkpoint that cannot be read."""
    return asked.done() and (asked.exception() is not None or not asked.result().was_heard)


def neutral(case: Case) -> MedicalImage:
    """A case's picture without anything that its file says: depth, unit, window or format may name the modality."""
    shown = Image.fromarray(images.read(case.picture).display())
    shown.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    pixels = np.array(shown)
    is_grey = bool((pixels == pixels[..., :1]).all())
    return MedicalImage(np.ascontiguousarray(pixels[..., 0]) if is_grey else pixels, kind="PNG")
