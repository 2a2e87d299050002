import json
import re

import pytest

from app.texts import FOLDER, languages, texts_for

PLACE = re.compile(r"\{\w+\}")
NAMES = ("method.", "colormap.")  # proper names need no translation


@pytest.mark.parametrize("language", [code for code in languages() if code != "en"])
def test_a_language_has_every_text_with_the_same_placeholders(language):
    english, other = (json.loads((FOLDER / f"{code}.json").read_text("utf-8")) for code in ("en", language))
    assert {key for key in english if not key.startswith(NAMES)} <= set(other)
    assert {key for key in other if not key.startswith("term:")} <= set(english)
    for key in set(english) & set(other):
        assert sorted(PLACE.findall(english[key])) == sorted(PLACE.findall(other[key])), key


@pytest.mark.parametrize(
    ("code", "language"), [("de-AT", "de"), ("de", "de"), ("EN-gb", "en"), ("xx", "en"), ("", "en")]
)
def test_the_best_language_for_a_browser(code, language):
    assert texts_for(code).language == language


def test_terms_of_a_card_are_translated_where_known():
    assert texts_for("de").term("Melanoma") == "Melanom"
    assert texts_for("de").term("Something else") == "Something else"
