"""Pictures that visitors have open: in memory only, each behind a random token, gone after a while or to make room.

Nothing of a picture is written to disk, and its file's name never reaches the server.
"""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from medmamba import images
from medmamba.classifier import Answer
from medmamba.errors import RequestError
from medmamba.images import MedicalImage

GONE = "This picture is no longer held in memory. Open the file again."
FRAMES_KEPT = 4  # decoded frames of one file
ANSWERS_KEPT = 16  # to one file: each takes a megabyte, and files of thousands of frames are small


class GoneError(RequestError):
    """What was held in memory is no longer, or never was."""


@dataclass
class Held:
    """One visitor's file: its bytes, its last decoded frames, and the last answers given to it."""

    data: bytes
    size: int  # bytes of memory, near enough
    frames: "OrderedDict[int, MedicalImage]" = field(default_factory=OrderedDict)
    answers: "OrderedDict[tuple[str, int], Answer]" = field(default_factory=OrderedDict)
    touched: float = 0.0
    spared_until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, key: tuple[str, int], answer: Answer) -> None:
        """Keeps an answer, and lets the oldest go; under the lock."""
        self.answers[key] = answer
        while len(self.answers) > ANSWERS_KEPT:
            self.answers.popitem(last=False)
        self.weigh()

    def weigh(self) -> None:
        """Brings the size up to date, after a frame or an answer has come; under the lock."""
        frames = sum(image.nbytes for image in self.frames.values())
        self.size = len(self.data) + frames + sum(answer.nbytes for answer in self.answers.values())


class PictureStore:
    """Files by token, bounded in bytes and in time; safe for threads."""

    def __init__(self, max_bytes: int, max_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes, self._max_seconds, self._clock = max_bytes, max_seconds, clock
        self._held: OrderedDict[str, Held] = OrderedDict()  # the longest untouched first
        self._lock = threading.Lock()

    def put(self, data: bytes, spare: float = 0.0) -> str:
        """Hold a file; returns its token. For ``spare`` seconds, or until ``release``, it makes room for no other."""
        return self._hold(Held(data, len(data)), spare)

    def put_picture(self, image: MedicalImage, spare: float = 0.0) -> str:
        """As ``put``, for a picture that comes from no file of its own: it has this one frame."""
        held = Held(b"", 0, OrderedDict({0: image}))
        held.weigh()
        return self._hold(held, spare)

    def _hold(self, held: Held, spare: float) -> str:
        token, now = secrets.token_urlsafe(16), self._clock()
        held.touched, held.spared_until = now, now + spare
        with self._lock:
            self._held[token] = held
            self._make_room()
        return token

    def forget_old(self) -> None:
        """Forget what has been untouched for too long; a server that nobody asks must be told to."""
        with self._lock:
            self._forget_old()

    def get(self, token: str) -> Held:
        """The file behind a token.

        Raises:
            GoneError: it is not held, or no longer.
        """
        with self._lock:
            self._forget_old()
            held = self._held.get(token)
            if held is None:
                raise GoneError(GONE)
            held.touched = self._clock()
            self._held.move_to_end(token)
        return held

    def picture(self, token: str, frame: int = 0) -> MedicalImage:
        """A decoded frame of the file behind a token.

        Raises:
            RequestError: the file is no longer held.
            ImageError: it cannot be read.
        """
        held = self.get(token)
        with held.lock:
            if frame not in held.frames:
                held.frames[frame] = images.read(held.data, frame=frame)
                while len(held.frames) > FRAMES_KEPT:
                    held.frames.popitem(last=False)
                held.weigh()
                with self._lock:
                    self._make_room()
            return held.frames[frame]

    def release(self, token: str) -> None:
        """It need not be spared any longer."""
        with self._lock:
            if token in self._held:
                self._held[token].spared_until = 0.0

    def holdings(self) -> tuple[int, int]:
        """How many files are held, and the bytes that they take."""
        with self._lock:
            self._make_room()
            return len(self._held), sum(held.size for held in self._held.values())

    def drop(self, token: str) -> None:
        """Forget a file at once."""
        with self._lock:
            self._held.pop(token, None)

    def _make_room(self) -> None:
        """Drops what is too old, then the longest untouched until the rest fits; the newest always stays."""
        self._forget_old()
        now = self._clock()
        too_much = sum(held.size for held in self._held.values()) - self._max_bytes
        for token, held in list(self._held.items())[:-1]:
            if too_much <= 0:
                break
            if held.spared_until <= now:
                too_much -= self._held.pop(token).size

    def _forget_old(self) -> None:
        oldest = self._clock() - self._max_seconds
        while self._held and next(iter(self._held.values())).touched < oldest:
            self._held.popitem(last=False)
