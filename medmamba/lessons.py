"""The decks there are without anybody's help: lessons made from pictures inside installed packages, and a folder's.

No picture is part of this project: ``lessons.json`` names files that scikit-image and pydicom ship, with the truth and
the teaching text of each in every language. A lesson whose files are missing is left out.
"""

import json
import logging
import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medmamba import checkpoints
from medmamba.checkpoints import Card
from medmamba.deck import MODALITY, Case, Deck, classes_of, read_deck
from medmamba.errors import DeckError

LESSONS = Path(__file__).with_name("lessons.json")
FAMILIAR = "familiar"  # the task that asks whether the network should answer at all, with these two classes
KNOWN, OTHER = "known", "other"
logger = logging.getLogger(__name__)


def decks(folder: Path | None = None) -> dict[str, Deck]:
    """Every deck by a name that tells nothing: the lessons, then those in ``folder``, by default ``$MEDMAMBA_DECKS``.

    A deck that cannot be read is left out, with a line in the log that gives its place in the folder.
    """
    named = os.environ.get("MEDMAMBA_DECKS")
    folder = folder or (Path(named) if named else None)
    found = dict(lessons())
    paths = sorted(folder.iterdir()) if folder and folder.is_dir() else []
    for number, path in enumerate((p for p in paths if p.is_dir() or p.suffix.lower() == ".zip"), 1):
        try:
            found[f"own-{number}"] = _read(path, path.stat().st_mtime_ns)
        except DeckError as error:
            logger.warning("Deck %d, by name, of the folder is left out: %s", number, error)
    return found


@cache
def lessons() -> dict[str, Deck]:
    """The lessons, in every language, by name and language."""
    made = {}
    for lesson in json.loads(LESSONS.read_text(encoding="utf-8")):
        for language in lesson["title"]:
            try:
                made[f"{lesson['name']}-{language}"] = _lesson(lesson, language)
            except DeckError as error:
                logger.warning("The lesson %s is left out: %s", lesson["name"], error)
    return made


@cache
def _read(path: Path, changed: int) -> Deck:
    """A deck of the folder; read again when it has changed."""
    return read_deck(path)


def _lesson(lesson: dict[str, Any], language: str) -> Deck:
    listed = tuple((c["name"], c["label"][language]) for c in lesson.get("classes", ()))
    cases = tuple(
        Case(_picture(c["picture"]), c["truth"], c["text"][language], c["source"], c["licence"])
        for c in lesson["cases"]
    )
    return Deck(lesson["title"][language], language, lesson["task"], listed or _modalities(cases), cases)


def _modalities(cases: tuple[Case, ...]) -> tuple[tuple[str, str], ...]:
    """Those of the first checkpoint that recognises every case's; else those of the cases themselves."""
    for card in checkpoints.list_checkpoints().values():
        if isinstance(card, Card):
            classes = classes_of(MODALITY, card)
            if {case.truth for case in cases} <= {name for name, _ in classes}:
                return classes
    return tuple((truth, truth[:1].upper() + truth[1:]) for truth in sorted({case.truth for case in cases}))


def _picture(name: str) -> bytes:
    package, _, path = name.partition("/")
    spec = find_spec(package)  # finds the folder without importing the package
    folders = spec.submodule_search_locations if spec else None
    try:
        return Path(*(folders or ["missing"])[:1], path).read_bytes()
    except OSError:
        raise DeckError(f"A picture that {package} should ship is not there.") from None
