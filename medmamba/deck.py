"""Decks of cases for teaching: a folder or a ZIP with ``deck.json`` and pictures, or a folder of class folders.

``deck.json`` is described by ``deck.schema.json`` and in docs/decks.md. A picture stays what it was, bytes in any
format that the reader knows, until the deck is written: then it becomes a PNG without any header.
"""

import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import jsonschema
import numpy as np
from PIL import Image

from medmamba import checkpoints, images
from medmamba.bundle import Files, files_of, spelt
from medmamba.checkpoints import Card
from medmamba.errors import DeckError, ImageError

DECK, SCHEMA = "deck.json", Path(__file__).with_name("deck.schema.json")
MODALITY = "modality"  # the task of a deck that asks what kind of picture it is
MAX_CASES = 200
MAX_JSON = 2**20
MAX_TOTAL = 256 * 2**20  # bytes of all pictures together
DIRECTORY = 2**16  # bytes that the end of a written archive may take
LONGEST = 2048  # pixels of a side of a written picture
Classes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Case:
    """One picture. truth: the name of a class; text: what is to be learnt from it; source, licence: of the picture."""

    picture: bytes
    truth: str
    text: str = ""
    source: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Deck:
    """Cases that ask the same question. task: of a checkpoint, "modality", or free; classes: (name, label)."""

    title: str
    language: str
    task: str
    classes: Classes
    cases: tuple[Case, ...]

    def __post_init__(self) -> None:
        names = [name for name, _ in self.classes]
        if len(set(names)) != len(names) or len(names) < 2:
            raise DeckError("The deck needs at least two classes, each with a name of its own.")
        labels = [" ".join(label.split()) for _, label in self.classes]
        if len(set(labels)) != len(labels) or not all(labels):  # neither a student nor a table could tell them apart
            raise DeckError("Two classes of the deck have the same label, or one has none. Give each one of its own.")
        if not 1 <= len(self.cases) <= MAX_CASES:
            raise DeckError(f"A deck holds 1 to {MAX_CASES} cases. Split it.")
        for number, case in enumerate(self.cases, 1):
            if case.truth not in names:
                raise DeckError(f"Case {number}: its truth is none of the deck's classes.")
        if sum(len(case.picture) for case in self.cases) > MAX_TOTAL:
            raise DeckError(f"The pictures take more than {MAX_TOTAL >> 20} MB together. Split the deck.")


def read_deck(source: str | Path | bytes) -> Deck:
    """Read a folder, a ZIP on disk or the bytes of a ZIP. Pictures are not decoded; ``check_pictures`` does that.

    Raises:
        DeckError: what is wrong and, where it is a case, its number.
    """
    files, name = files_of(source)
    return _from_json(files) if DECK in files else _from_class_folders(files, name)


def write_deck(deck: Deck, most: int = MAX_TOTAL) -> bytes:
    """A ZIP that ``read_deck`` reads: neutral names, every picture a fresh 8-bit PNG without metadata.

    A picture is drawn as it is displayed, in its default window, at most ``LONGEST`` pixels a side.

    Args:
        deck: what is written.
        most: bytes that are taken where the ZIP is to be read again.

    Raises:
        DeckError: a picture cannot be read, where the sentence begins with the case's number; or it is too much.
    """
    names = [f"pictures/{number:03}.png" for number in range(1, len(deck.cases) + 1)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(DECK), _to_json(deck, names))
        for number, (name, case) in enumerate(zip(names, deck.cases, strict=True), 1):
            archive.writestr(zipfile.ZipInfo(name), _png(_display(case, number)))
            if buffer.tell() > most - DIRECTORY:  # a photograph is several times larger as PNG than it came
                raise DeckError(
                    f"As PNG the pictures take more than the {most >> 20} MB that can be opened again. Split the deck."
                )
    return buffer.getvalue()


def check_words(title: str, language: str, source: str, licence: str) -> None:
    """Refuse what ``write_deck`` would refuse of a deck with such words, before there is one.

    Raises:
        DeckError: which of them is not as the schema says.
    """
    case = {"picture": "-", "truth": "-", "source": source, "licence": licence}
    _check({"title": title, "language": language, "task": "-", "cases": [case]})


def check_pictures(deck: Deck) -> None:
    """Decode every picture once.

    Raises:
        DeckError: the first that cannot be read, by its case's number.
    """
    for number, case in enumerate(deck.cases, 1):
        _display(case, number)


def classes_of(task: str, card: Card) -> Classes:
    """(name, label) of a task's classes, or of a checkpoint's modalities; empty where it has no such task."""
    if task == MODALITY:
        modalities = dict.fromkeys(card.layout.task(name).modality for name in card.layout.routed)
        return tuple((modality, title(modality)) for modality in modalities)
    known = next((known for known in card.layout.tasks if known.name == task), None)
    return tuple((c.name, c.label) for c in known.classes) if known else ()


def is_known(task: str, classes: Iterable[str], card: Card) -> bool:
    """Whether a checkpoint has the task, and each of these classes (by name) among the task's."""
    return set(classes) <= {name for name, _ in classes_of(task, card)}


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of ``deck.json``."""
    loaded: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return loaded


def title(words: str) -> str:
    """With a capital, as at the head of a card; what is written in capitals, as MRI, stays so."""
    return words[:1].upper() + words[1:]


def _from_json(files: Files) -> Deck:
    content = files[DECK]()
    if len(content) > MAX_JSON:
        raise DeckError(f"deck.json is larger than {MAX_JSON >> 20} MB.")
    try:
        entry = json.loads(content)
    except (ValueError, RecursionError):
        raise DeckError("deck.json is not JSON. Check its commas, quotes and brackets.") from None
    _check(entry)
    cases = []
    for number, case in enumerate(entry["cases"], 1):
        path = PurePosixPath(case["picture"])
        if path.is_absolute() or ".." in path.parts or spelt(path) not in files:
            raise DeckError(f"Case {number}: its picture is not in the deck. Paths start at deck.json, with slashes.")
        cases.append(Case(**{**case, "picture": files[spelt(path)]()}))
    listed = tuple((c["name"], c["label"]) for c in entry.get("classes", ()))
    task = entry["task"]
    return Deck(entry["title"], entry.get("language", "en"), task, listed or _of_checkpoints(task), tuple(cases))


def _from_class_folders(files: Files, name: str) -> Deck:
    """A folder of class folders; a folder named after a task has that task's question and labels."""
    pictures = [(PurePosixPath(path), read) for path, read in files.items()]
    folders = sorted({path.parts[0] for path, _ in pictures if len(path.parts) == 2})
    if len(folders) < 2 or any(len(path.parts) != 2 for path, _ in pictures):
        raise DeckError("This is no deck: there is no deck.json, and no class folders with pictures in them either.")
    if len(pictures) > MAX_CASES:
        raise DeckError(
            f"A deck holds at most {MAX_CASES} cases; `python -m medmamba deck build` chooses some of more."
        )
    known = dict(_of_checkpoints(name, missing_ok=True))
    fits = set(folders) <= set(known)
    classes = tuple(known.items()) if fits else tuple((f, title(f.replace("_", " "))) for f in folders)
    cases = tuple(Case(read(), path.parts[0]) for path, read in pictures)
    return Deck("Untitled deck", "en", name if fits else "own", classes, cases)


def _of_checkpoints(task: str, missing_ok: bool = False) -> Classes:
    """The classes of a task in the first checkpoint that has it."""
    for card in checkpoints.list_checkpoints().values():
        if isinstance(card, Card) and (classes := classes_of(task, card)):
            return classes
    if missing_ok:
        return ()
    raise DeckError("deck.json lists no classes, and no checkpoint has a task of that name with classes.")


def _error(fault: jsonschema.ValidationError) -> DeckError:
    """What the schema misses, without the value that is there: it may be a name."""
    path = list(fault.absolute_path)
    if path[:1] == ["cases"] and len(path) > 1:
        number = int(path[1]) + 1
        return DeckError(f"Case {number}: {_missed(fault, path[2:])}")
    return DeckError(f"deck.json: {_missed(fault, path)}")


def _missed(fault: jsonschema.ValidationError, path: list[str | int]) -> str:
    field, limit = ".".join(map(str, path)), fault.validator_value
    if fault.validator == "additionalProperties":
        known = ", ".join(fault.schema["properties"])
        return f"There is a field that is not known; known are {known}."
    if fault.validator == "required":
        missing = ", ".join(name for name in limit if name not in fault.instance)
        return f"Missing: {missing}."
    if fault.validator == "type":
        return (
            f"The field {field} is not of the right kind: {limit} is expected." if field else f"Expected here: {limit}."
        )
    if fault.validator == "maxLength":
        return f"The field {field} is longer than {limit} characters."
    if fault.validator == "minItems":
        return f"The field {field} has fewer than {limit} entries."
    if fault.validator == "maxItems":
        return f"The field {field} has more than {limit} entries."
    return (
        f"The field {field} is empty." if fault.validator == "minLength" else f"The field {field} is not like en or de."
    )


def _to_json(deck: Deck, names: list[str]) -> bytes:
    entry = {
        "title": deck.title,
        "language": deck.language,
        "task": deck.task,
        "classes": [{"name": name, "label": label} for name, label in deck.classes],
        "cases": [
            {"picture": name, "truth": case.truth, "text": case.text, "source": case.source, "licence": case.licence}
            for name, case in zip(names, deck.cases, strict=True)
        ],
    }
    content = _check(entry)
    if len(content) > MAX_JSON:
        raise DeckError(f"deck.json is larger than {MAX_JSON >> 20} MB.")
    return content


def _check(entry: Any) -> bytes:
    """The text of ``deck.json``.

    Raises:
        DeckError: it is not as the schema says, or a word in it has half of a character, as JSON's escapes can say and
            nothing can write.
    """
    fault = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema()).iter_errors(entry))
    if fault is not None:
        raise _error(fault)
    try:
        return (json.dumps(entry, indent=1, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        raise DeckError("A text of the deck holds half of a character. Write it again.") from None


def _display(case: Case, number: int) -> np.ndarray:
    """The picture as it is shown, (H, W, 3) uint8."""
    try:
        return images.read(case.picture).display()
    except ImageError as error:
        raise DeckError(f"Case {number}: {error}") from None


def _png(display: np.ndarray) -> bytes:
    is_grey = bool((display == display[..., :1]).all())
    picture = Image.fromarray(np.ascontiguousarray(display[..., 0]) if is_grey else display)
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
