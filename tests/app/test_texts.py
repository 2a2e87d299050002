import json
import re
from html import escape

import pytest

from app import facts
from app.texts import FOLDER, PERCENT, languages, read, texts_for
from medmamba.checkpoints import Card, list_checkpoints
from medmamba.spreadsheet import NOTICE
from tests.app.messages import ROOT, Module, collect

PLACE = re.compile(r"\{\w+\}")
NAMES = ("method.", "colormap.")  # proper names need no translation
OUTSIDE = ("term:", "say:")  # what others than the page's own code say, and in English
COUNTED = {"en": re.compile(r"\{(\w+)\} [a-z]+s\b"), "de": re.compile(r"\{(\w+)\} [A-ZÄÖÜ]")}
NEVER_ONE = {"all", "size", "columns", "width", "change", "blocks", "shown", "hours", "milliseconds"}
NO_COUNTS = {"number", "error"}  # "Picture 1 has", "The error of 0.1 is"
FOREIGN = [code for code in languages() if code != "en"]
MESSAGES, WORDS = collect()


@pytest.mark.parametrize("language", FOREIGN)
def test_a_language_has_every_text_with_the_same_placeholders(language):
    english, other = (json.loads((FOLDER / f"{code}.json").read_text("utf-8")) for code in ("en", language))
    assert {key for key in english if not key.startswith(NAMES)} <= set(other)
    assert {key for key in other if not key.startswith(OUTSIDE)} <= set(english)
    for key in set(english) & set(other):
        assert sorted(PLACE.findall(english[key])) == sorted(PLACE.findall(other[key])), key


@pytest.mark.parametrize("language", languages())
def test_no_text_is_there_twice(language):
    """The last one would be taken without a word."""
    pairs = json.loads((FOLDER / f"{language}.json").read_text("utf-8"), object_pairs_hook=list)
    keys = [key for key, _ in pairs]
    assert {key for key in keys if keys.count(key) > 1} == set()


def test_the_pages_tables_have_the_notice_of_those_from_the_command_line():
    assert texts_for("en")("strip") == NOTICE


@pytest.mark.parametrize(
    ("code", "language"),
    [("de-AT", "de"), ("de", "de"), ("EN-gb", "en"), ("xx", "en"), ("", "en"), ("de,en;q=0.5", "de"), ("*;q=1", "en")],
)
def test_the_best_language_for_a_browser(code, language):
    assert texts_for(code).language == language


@pytest.mark.parametrize("language", languages())
def test_no_number_that_may_be_one_stands_before_a_plural(language):
    texts = {key: text for key, text in read(language).items() if not key.startswith(OUTSIDE)}
    counted = {key: set(COUNTED[language].findall(text)) - NEVER_ONE - NO_COUNTS for key, text in texts.items()}
    assert {key: places for key, places in counted.items() if places} == {}


@pytest.mark.parametrize("language", languages())
def test_no_line_ends_between_a_number_and_its_sign(language):
    texts = read(language)
    assert f"50{PERCENT}" in texts["class.overlap"]
    assert [key for key, text in texts.items() if " %" in text] == []


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.5, "50.0 %"), (0.0004, "<0.1 %"), (0.9996, ">99.9 %"), (0.9994, "99.9 %"), (1.0, "100.0 %"), (0.0, "0.0 %")],
)
def test_probabilities_are_never_rounded_to_none_or_all(share, words):
    assert texts_for("en").percent(share) == words.replace(" %", PERCENT)


@pytest.mark.parametrize(("code", "words"), [("en", ("0.25", f"<0.1{PERCENT}")), ("de", ("0,25", f"<0,1{PERCENT}"))])
def test_numbers_have_the_languages_decimal_mark(code, words):
    texts = texts_for(code)
    assert (texts.decimal(0.25, 2), texts.percent(0.0001)) == words


@pytest.mark.parametrize(("code", "words"), [("en", ("662,064", "1,234.5")), ("de", ("662.064", "1.234,5"))])
def test_thousands_are_not_taken_for_a_decimal_mark(code, words):
    texts = texts_for(code)
    assert (texts.decimal(662_064, 0), texts.decimal(1234.5, 1)) == words


@pytest.mark.parametrize("language", FOREIGN)
def test_questions_and_caveats_of_the_shipped_cards_are_translated(language):
    cards = [card for card in list_checkpoints().values() if isinstance(card, Card)]
    sentences = {text for card in cards for task in card.layout.tasks for text in (task.question, task.caveat) if text}
    assert len(sentences) > 20
    assert {text for text in sentences if texts_for(language).term(text) == text} == set()


@pytest.mark.parametrize("language", FOREIGN)
def test_sources_and_licences_of_the_shipped_cards_are_translated_where_they_have_words(language):
    cards = [card for card in list_checkpoints().values() if isinstance(card, Card)]
    names = re.compile(r"CC0|CC BY[\w. -]*|(SARS-CoV-2 CT|CT Kidney|WCEBleedGen)\b.*")  # the same everywhere
    said = {text for card in cards for task in card.layout.tasks for text in (task.source, task.licence)}
    worded = {text for text in said if text and not names.fullmatch(text)}
    assert len(worded) > 12
    assert {text for text in worded if texts_for(language).term(text) == text} == set()


@pytest.mark.parametrize("language", FOREIGN)
@pytest.mark.parametrize("name", ["generalist", "pneumoniamnist"])
def test_model_facts_of_the_shipped_cards_are_translated(language, name):
    card = list_checkpoints()[name]
    english, other = (facts.page({name: card}, texts_for(code)) for code in ("en", language))
    sentences = {card.summary, card.intended_use, card.licence, *card.not_for, *card.limits[:4]}
    assert all(escape(sentence) in english and escape(sentence) not in other for sentence in sentences)
    assert "14,5 Millionen Parametern" in other or language != "de"


@pytest.mark.parametrize("language", FOREIGN)
def test_what_our_recipes_say_for_cards_is_translated(language):
    words = [json.loads(path.read_text("utf-8"))["card"] for path in ROOT.glob("runs/*/tasks.json")]
    sentences = {text for of in words for text in (of["licence"], of["pictures"], *of["limits"], *of["not_for"])}
    assert len(sentences) > 7
    assert {text for text in sentences if texts_for(language).term(text) == text} == set()


def test_caveats_stand_with_their_tasks_alone():
    card = list_checkpoints()["generalist"]
    page = facts.page({"generalist": card}, texts_for("en"))
    caveats = [escape(task.caveat) for task in card.layout.tasks if task.caveat]
    assert len(caveats) > 10
    assert {page.count(caveat) for caveat in caveats} == {1}


def test_terms_of_a_card_are_translated_where_known():
    assert texts_for("de").term("Melanoma") == "Melanom"
    assert texts_for("de").term("Something else") == "Something else"


@pytest.mark.parametrize("language", FOREIGN)
def test_every_message_of_the_sources_is_said_in_a_language_and_no_other(language):
    said = {key.removeprefix("say:"): text for key, text in read(language).items() if key.startswith("say:")}
    assert {message: place for message, place in MESSAGES.items() if message not in said} == {}
    assert sorted(said.keys() - MESSAGES.keys()) == []
    texts = texts_for(language)
    assert {word: place for word, place in WORDS.items() if texts.term(word) == word} == {}
    for message, text in said.items():
        assert text.count("{}") == message.count("{}"), message
        values = [f"<{i}>" for i in range(message.count("{}"))]
        assert texts.say(message.format(*values)) == text.format(*values)


def test_what_fills_a_message_is_translated_where_it_is_a_word():
    say = texts_for("de").say
    assert say("The file has no frame 7: it holds 3. Choose another frame.") == (
        "Die Datei hat kein Einzelbild 7: Sie enthält 3. Wählen Sie ein anderes."
    )
    assert say("This DICOM file is a segmentation (SEG), not a picture to classify.") == (
        "Diese DICOM-Datei ist eine Segmentierung (SEG), kein Bild zum Klassifizieren."
    )
    assert say("Case 3: The field truth is longer than 80 characters.") == (
        "Fall 3: Das Feld truth ist länger als 80 Zeichen."
    )
    assert say("Nobody wrote this.") == "Nobody wrote this."
    assert texts_for("en").say("Frame 1 of 3.") == "Frame 1 of 3."


def test_messages_are_found_wherever_they_stand(tmp_path):
    source = tmp_path / "module.py"
    source.write_text(
        '''"""Docstrings are none."""
END = "Choose another."
TABLE = {1: "This is a table."}
KINDS = {1: "a film", 2: "a song"}
def f(n):
    warnings.append(f"Row {n + 1} of {n}.")
    if n:
        raise ImageError("no sentence")
    raise ImageError(f"This is {KINDS[n]} {'now' if n else 'then'}. {END}")
'''
    )
    module = Module(source)
    assert module.messages() == {
        "Choose another.",
        "This is a table.",
        "Row {} of {}.",
        "no sentence",
        "This is {} now. Choose another.",
        "This is {} then. Choose another.",
    }
    assert module.words == {"a film", "a song"}
