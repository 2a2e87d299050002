"""The words of the page, from ``i18n/<language>.json``; a further language is a further file.

Three kinds of entry: a text of the page by its key; ``term:`` and a word or sentence of a card as it stands there; and
``say:`` and a message as its source has it, ``{}`` for each part that is filled in. Code that raises errors and warns
speaks English and knows nothing of this file; ``tests/app/messages.py`` collects what it says.
"""

import functools
import json
import re
from pathlib import Path
from typing import Any

from medmamba.deck import title
from medmamba.percent import percent

FOLDER = Path(__file__).parent / "i18n"
DEFAULT = "en"
DECIMAL = re.compile(r"-?\d+\.\d+")
PERCENT = "\u00a0%"  # no line ends between a number and its sign


class Texts:
    """One language. Calling it with a key gives the text, with ``{placeholders}`` filled in."""

    def __init__(self, language: str, texts: dict[str, str], fallback: dict[str, str]) -> None:
        self.language = language
        self._texts = fallback | texts
        said = {key.removeprefix("say:"): text for key, text in texts.items() if key.startswith("say:")}
        self._said = {message: text for message, text in said.items() if "{}" not in message}
        filled = sorted((message for message in said if "{}" in message), key=len, reverse=True)
        self._filled = [(_pattern(message), said[message]) for message in filled]

    def __call__(self, key: str, **values: Any) -> str:
        return self._texts[key].format(**values)

    def decimal(self, value: float, digits: int) -> str:
        """A number as this language writes it, its thousands apart. CSV and JSON keep their points."""
        marks = ",." if self("number.decimal") == "," else ".,"
        return f"{value:,.{digits}f}".translate(str.maketrans(".,", marks))

    def signed(self, value: float, digits: int) -> str:
        """A change, with its sign."""
        rounded = round(value, digits)
        return ("+" if rounded > 0 else "−" if rounded < 0 else "") + self.decimal(abs(rounded), digits)

    def percent(self, share: float) -> str:
        """A probability to one decimal, never rounded to none or all."""
        return percent(share, PERCENT, self.decimal)

    def all(self) -> dict[str, str]:
        """Every text of the page by its key, for its scripts."""
        return {key: text for key, text in self._texts.items() if not key.startswith(("term:", "say:"))}

    def either(self, name: str) -> str:
        """A text of the page where there is one of this key, else a card's words in this language."""
        return self._texts.get(name) or self.term(name)

    def term(self, english: str) -> str:
        """A modality, class or sentence of a card in this language, where the file has it; else as it is."""
        return self._texts.get(f"term:{english}", self._said.get(english, english))

    def label(self, name: str, label: str) -> str:
        """A deck's class in this language, where the file has its label, or the name that this is; else its label."""
        found, named = self.term(label), self.term(name)
        is_name = label.casefold() == name.casefold()  # not the label that the class got later
        return title(named) if found == label and is_name and named != name else found

    def say(self, message: str) -> str:
        """A warning or an error's message in this language, where the file has it; else as it is.

        What fills a message keeps its order and is itself said in this language, or looked up as a term, as a case's
        fault and an object's kind are; a number gets this language's decimal mark.
        """
        if message in self._said:
            return self._said[message]
        for pattern, text in self._filled:
            if found := pattern.fullmatch(message):
                return text.format(*map(self._filling, found.groups()))
        return message

    def _filling(self, part: str) -> str:
        if DECIMAL.fullmatch(part):
            return part.replace(".", self("number.decimal"))
        return self.term(self.say(part))


def _pattern(message: str) -> re.Pattern[str]:
    return re.compile("(.+?)".join(map(re.escape, message.split("{}"))), re.DOTALL)


@functools.cache
def read(language: str) -> dict[str, str]:
    """The file of a language, as it is."""
    texts: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return texts


@functools.cache
def languages() -> tuple[str, ...]:
    """The languages there are, English first."""
    return (DEFAULT, *sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != DEFAULT))


def texts_for(language: str) -> Texts:
    """The texts of a language as browsers name it ("de-AT", "de,en;q=0.5"); English where there is none."""
    code = re.split("[-,;]", language.lower(), maxsplit=1)[0]
    return _texts(code if code in languages() else DEFAULT)


@functools.cache
def _texts(code: str) -> Texts:
    return Texts(code, read(code), read(DEFAULT))
