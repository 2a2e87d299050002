"""What can be set from outside, once, at start: environment variables to a frozen ``Settings``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from medmamba.errors import MedMambaError
from medmamba.images.limits import MAX_BYTES

MEGABYTE = 2**20


class SettingsError(MedMambaError):
    """A setting is not usable; the message names the variable."""


@dataclass(frozen=True)
class Settings:
    """The settings of one server.

    Attributes:
        host, port: where it listens.
        checkpoint: the checkpoint shown first; None takes ``generalist``, or else the first that loads.
        origins: further origins whose pages may call the server.
        frame_ancestors: the CSP value of that name: who may show the page in a frame.
        upload_bytes: the largest file that is taken.
        held_bytes: how much the pictures in memory may take together.
        held_seconds: how long an untouched picture stays in memory.
        queue: how many requests may wait.
        examples: a folder of pictures to try, offered before those of installed packages.
        rooms: the database of the teaching rooms, as SQLAlchemy writes addresses; "" takes a private SQLite file.
        room_hours: how long a room lives before it is deleted.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    checkpoint: str | None = None
    origins: tuple[str, ...] = ()
    frame_ancestors: str = "'none'"
    upload_bytes: int = MAX_BYTES
    held_bytes: int = 768 * MEGABYTE
    held_seconds: float = 900.0
    queue: int = 64
    examples: Path | None = None
    rooms: str = ""
    room_hours: int = 24

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Reads the ``MEDMAMBA_*`` variables.

        Raises:
            SettingsError: a number is none, or out of range.
        """
        return cls(
            host=environment.get("MEDMAMBA_HOST", cls.host),
            port=_number(environment, "MEDMAMBA_PORT", cls.port, 0, 65535),
            checkpoint=environment.get("MEDMAMBA_CHECKPOINT") or None,
            origins=tuple(environment.get("MEDMAMBA_ORIGINS", "").split()),
            frame_ancestors=environment.get("MEDMAMBA_FRAME_ANCESTORS", cls.frame_ancestors),
            upload_bytes=_number(environment, "MEDMAMBA_UPLOAD_MB", MAX_BYTES // MEGABYTE, 1, 64) * MEGABYTE,
            held_bytes=_number(environment, "MEDMAMBA_HELD_MB", cls.held_bytes // MEGABYTE, 64, 65536) * MEGABYTE,
            queue=_number(environment, "MEDMAMBA_QUEUE", cls.queue, 1, 4096),
            examples=Path(environment["MEDMAMBA_EXAMPLES"]) if environment.get("MEDMAMBA_EXAMPLES") else None,
            rooms=environment.get("MEDMAMBA_ROOMS", cls.rooms),
            room_hours=_number(environment, "MEDMAMBA_ROOM_HOURS", cls.room_hours, 1, 720),
        )


def _number(environment: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or not low <= int(text) <= high:
        raise SettingsError(f"{name} must be a whole number from {low} to {high}, not {text!r}.")
    return int(text)
