"""A deck becomes a room: pictures are read by the guarded reader and drawn anew as PNG, small enough for 200 phones."""

import io

import numpy as np
from PIL import Image

from app import opinion
from app.classroom.store import NewCase, NewRoom
from app.service import Service
from medmamba import images
from medmamba.deck import Case, Deck
from medmamba.errors import DeckError, ImageError
from medmamba.lessons import is_answered

LONGEST = 1024  # pixels of a side
SECONDS = range(5, 3601)  # time for a case


def room_of(deck: Deck, service: Service, seconds: int | None, names: bool) -> NewRoom:
    """The room for a deck.

    Args:
        deck: as read; its pictures are decoded here.
        service: whose default checkpoint is to answer, where it knows the deck's task.
        seconds: time for each case; None for as long as the teacher likes.
        names: whether nicknames are shown on the projector.

    Raises:
        DeckError: a picture cannot be read; the sentence tells the case's number.
    """
    card = service.default_card()
    has_network = card is not None and is_answered(deck.task, dict(deck.classes), card)
    return NewRoom(
        title=deck.title,
        language=deck.language,
        question=opinion.question_of(deck.task, card),
        task=deck.task,
        classes=deck.classes,
        model=f"{card.title} {card.version}" if card and has_network else "",
        seconds=seconds,
        names=names,
        cases=tuple(_case(case, number) for number, case in enumerate(deck.cases, 1)),
    )


def _case(case: Case, number: int) -> NewCase:
    try:
        display = images.read(case.picture).display()
    except ImageError as error:
        raise DeckError(f"Case {number}: {error}") from None
    is_grey = bool((display == display[..., :1]).all())
    picture = Image.fromarray(np.ascontiguousarray(display[..., 0]) if is_grey else display)
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return NewCase(buffer.getvalue(), *picture.size, case.truth, case.text, case.source, case.licence)
