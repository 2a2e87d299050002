"""The decks there are without anybody's help: lessons made from pictures inside installed packages, and a folder's.

No picture is part of this project: ``lessons.json`` names files that scikit-image and pydicom ship, with the truth and
the teaching text of each in every language. A lesson whose files are missing is left out.
"""

import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medmamba import checkpoints
from medmamba.checkpoints import Card
from medmamba.deck import MODALITY, Case, Deck, classes_of, is_known, read_deck, title
from medmamba.errors import DeckError
from medmamba.listing import files_in, folders_in

LESSONS = Path(__file__).with_name("lessons.json")
FAMILIAR = "familiar"  # the task that asks whether the network should answer at all, with these two classes
KNOWN, OTHER = "known", "other"
Stamp = tuple[tuple[Path, int, int], ...]  # (path, changed, bytes) of everything that a deck is made of
_kept: dict[Path, tuple[Stamp, str, Deck]] = {}  # the decks of the folder with their names, as they were read last
_reading = threading.Lock()
logger = logging.getLogger(__name__)


def decks(folder: Path | None = None) -> dict[str, Deck]:
    """Every deck by a name that tells nothing: the lessons, then those in ``folder``, by default ``$MEDMAMBA_DECKS``.

    A deck's name is made of what it holds: whoever chose it from a list gets it, or nothing, whatever has come or gone
    meanwhile. A deck that cannot be read is left out, with a line in the log that gives its place in the folder.
    """
    named = os.environ.get("MEDMAMBA_DECKS")
    folder = folder or (Path(named) if named else None)
    found = dict(lessons())
    zips = [path for path in files_in(folder) if path.suffix.lower() == ".zip"] if folder else []
    paths = sorted([*zips, *folders_in(folder)]) if folder else []
    with _reading:
        for gone in _kept.keys() - set(paths):
            del _kept[gone]
        for number, path in enumerate(paths, 1):
            try:
                name, deck = _read(path)
                found[name] = deck
            except DeckError as error:
                logger.warning("Deck %d, by name, of the folder is left out: %s", number, error)
    return found


def listed(found: Mapping[str, Deck], language: str) -> list[dict[str, Any]]:
    """What a list of decks says of each, as plain data: those in a language first."""
    entries = [
        {"name": name, "title": deck.title, "language": deck.language, "cases": len(deck.cases)}
        for name, deck in found.items()
    ]
    return sorted(entries, key=lambda entry: entry["language"] != language)


def is_answered(task: str, classes: Iterable[str], card: Card) -> bool:
    """Whether a checkpoint may have an opinion on the question of a deck with these classes (by name)."""
    if task == FAMILIAR:
        return bool(card.novelty) and set(classes) == {KNOWN, OTHER}
    return is_known(task, classes, card)


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


def _read(path: Path) -> tuple[str, Deck]:
    """A deck of the folder and its name; read again when anything of it has changed."""
    stamp = _stamp(path)
    known = _kept.get(path)
    if known is None or known[0] != stamp:
        deck = read_deck(path)
        known = _kept[path] = stamp, _name_of(deck), deck
    return known[1:]


def _stamp(path: Path) -> Stamp:
    """What tells a deck as it is from what it was; a folder does not change by itself with a file deep in it."""
    try:
        facts = [(part, part.lstat()) for part in (path, *sorted(path.rglob("*")))]
    except OSError:  # it went meanwhile
        raise DeckError("A file of the deck cannot be opened. Check that it may be read.") from None
    return tuple((part, fact.st_mtime_ns, fact.st_size) for part, fact in facts)


def _name_of(deck: Deck) -> str:
    whole = hashlib.sha256(repr((deck.title, deck.language, deck.task, deck.classes)).encode())
    for case in deck.cases:
        whole.update(repr((case.truth, case.text, case.source, case.licence)).encode() + case.picture)
    return f"own-{whole.hexdigest()[:16]}"


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
    return tuple((truth, title(truth)) for truth in sorted({case.truth for case in cases}))


def _picture(name: str) -> bytes:
    package, _, path = name.partition("/")
    spec = find_spec(package)  # finds the folder without importing the package
    folders = spec.submodule_search_locations if spec else None
    try:
        return Path(*(folders or ["missing"])[:1], path).read_bytes()
    except OSError:
        raise DeckError(f"A picture that {package} should ship is not there.") from None
