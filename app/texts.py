"""The words of the page, from ``i18n/<language>.json``; a further language is a further file."""

import functools
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "i18n"
DEFAULT = "en"


class Texts:
    """One language. Calling it with a key gives the text, with ``{placeholders}`` filled in."""

    def __init__(self, language: str, texts: dict[str, str], fallback: dict[str, str]) -> None:
        self.language = language
        self._texts = fallback | texts

    def __call__(self, key: str, **values: Any) -> str:
        return self._texts[key].format(**values)

    def all(self) -> dict[str, str]:
        """Every text by its key, for the scripts of the page."""
        return dict(self._texts)

    def term(self, english: str) -> str:
        """A modality, class or question of a card in this language, where the file has it; else as it is."""
        return self._texts.get(f"term:{english}", english)


@functools.cache
def read(language: str) -> dict[str, str]:
    """The file of a language, as it is."""
    texts: dict[str, str] = json.loads((FOLDER / f"{language}.json").read_text(encoding="utf-8"))
    return texts


@functools.cache
def languages() -> tuple[str, ...]:
    """The languages there are, English first."""
    return (DEFAULT, *sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != DEFAULT))


@functools.cache
def texts_for(language: str) -> Texts:
    """The texts of a language given by its code, as browsers give it ("de-AT"); English where there is none."""
    code = language.lower().partition("-")[0]
    code = code if code in languages() else DEFAULT
    return Texts(code, read(code), read(DEFAULT))
