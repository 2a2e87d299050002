"""Decks: what is read, what is refused and in which words, and what a written deck holds."""

import io
import json
import zipfile

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file

from medmamba.deck import MAX_CASES, Case, Deck, check_pictures, classes_of, is_known, read_deck, schema, write_deck
from medmamba.errors import DeckError

CLASSES = (("round", "Round"), ("square", "Square"))


def png(seed=0, side=16):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def entry(**changes):
    cases = [{"picture": "a/1.png", "truth": "round", "text": "Look."}, {"picture": "2.png", "truth": "square"}]
    classes = [{"name": name, "label": label} for name, label in CLASSES]
    whole = {"title": "Shapes", "language": "en", "task": "shapes", "classes": classes, "cases": cases}
    return {key: value for key, value in (whole | changes).items() if value is not None}


def case(**changes):
    return [{"picture": "2.png", "truth": "round"} | changes]


def zipped(content, prefix="", **files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        if content is not None:
            archive.writestr(f"{prefix}deck.json", content if isinstance(content, str) else json.dumps(content))
        for name, data in ({"a/1.png": png(1), "2.png": png(2)} | files).items():
            archive.writestr(f"{prefix}{name}", data)
    return buffer.getvalue()


@pytest.mark.parametrize("prefix", ["", "shapes/"])
def test_a_zip_is_read(prefix):
    deck = read_deck(zipped(entry(), prefix))
    assert (deck.title, deck.language, deck.task, deck.classes) == ("Shapes", "en", "shapes", CLASSES)
    assert deck.cases == (Case(png(1), "round", "Look."), Case(png(2), "square"))


def test_a_folder_is_read_as_its_zip(tmp_path):
    with zipfile.ZipFile(io.BytesIO(zipped(entry()))) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "deck.zip").write_bytes(zipped(entry()))
    assert read_deck(tmp_path / "deck.zip") == read_deck(zipped(entry()))
    (tmp_path / "deck.zip").unlink()
    assert read_deck(tmp_path) == read_deck(zipped(entry()))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (entry(title=None), "deck.json: Missing: title"),
        (entry(title=""), "deck.json: The field title is empty"),
        (entry(language="English"), "language is not like en or de"),
        (entry(colour="red"), "There is a field that is not known"),
        (entry(cases=[]), "cases has fewer than 1"),
        (entry(cases=case() * (MAX_CASES + 1)), "more than 200 entries"),
        (entry(cases=case(truth=None)), "Case 1: The field truth is not of the right kind"),
        (entry(cases=entry()["cases"] + case(name="x")), "Case 3: There is a field that is not known"),
        (entry(cases=case(truth="oval")), "Case 1: its truth is none"),
        (entry(cases=case(picture="DOE^JOHN.png")), "Case 1: its picture is not in the deck"),
        (entry(cases=case(picture="../2.png")), "Case 1: its picture is not in the deck"),
        (entry(cases=case(picture="/etc/passwd")), "Case 1: its picture is not in the deck"),
        (entry(classes=[{"name": "round", "label": "a"}] * 2), "a name of its own"),
        (entry(classes=[{"name": "round", "label": "a b"}, {"name": "square", "label": " a  b"}]), "the same label"),
        (entry(classes=[{"name": "round", "label": "a"}, {"name": "square", "label": " "}]), "or one has none"),
        (entry(classes=None), "lists no classes"),
        (entry(title="\ud800"), "half of a character"),
    ],
)
def test_what_is_wrong_is_said_without_a_file_name(content, words):
    with pytest.raises(DeckError, match=words) as raised:
        read_deck(zipped(content))
    assert "DOE" not in str(raised.value)
    assert "2.png" not in str(raised.value)


def test_the_schema_holds_the_same_bound_as_the_code():
    assert schema()["properties"]["cases"]["maxItems"] == MAX_CASES


@pytest.mark.parametrize("name", ["../out.png", "/out.png", "C:/out.png", "..\\out.png"])
def test_paths_that_lead_out_are_refused(name):
    with pytest.raises(DeckError, match="leads out"):
        read_deck(zipped(entry(), **{name: b"x"}))


def test_links_in_a_folder_are_refused(tmp_path):
    (tmp_path / "deck.json").write_text(json.dumps(entry()))
    (tmp_path / "2.png").symlink_to("/etc/passwd")
    with pytest.raises(DeckError, match="link"):
        read_deck(tmp_path)


@pytest.mark.parametrize("source", [b"hello", "no/such/folder"])
def test_what_is_no_deck_is_refused(source):
    with pytest.raises(DeckError):
        read_deck(source)


def test_a_picture_is_found_however_its_accents_are_packed(tmp_path):
    packed = zipped(entry(cases=case(picture="\u00fcber.png")), **{"u\u0308ber.png": png(3)})
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(tmp_path)
    assert read_deck(packed).cases == read_deck(tmp_path).cases == (Case(png(3), "round"),)


def test_two_files_of_the_same_path_are_refused():
    buffer = io.BytesIO(zipped(entry()))
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("2.png", png(3))
    with pytest.raises(DeckError, match="same path"):
        read_deck(buffer.getvalue())


def test_class_folders_are_a_deck():
    deck = read_deck(folders())
    assert deck.classes == (("big_round", "Big round"), ("square", "Square"))
    assert [case.truth for case in deck.cases] == ["big_round", "big_round", "square"]


def folders(*names):
    names = names or ("big_round/1.png", "big_round/2.png", "square/1.png", "__MACOSX/square/._1.png")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, name in enumerate(names):
            archive.writestr(name, png(i))
    return buffer.getvalue()


def test_class_folders_keep_their_capitals_and_are_told_apart():
    labels = dict(read_deck(folders("COVID-19/1.png", "old_TB/1.png")).classes)
    assert labels == {"COVID-19": "COVID-19", "old_TB": "Old TB"}
    with pytest.raises(DeckError, match="the same label"):
        read_deck(folders("big_round/1.png", "big round/1.png"))


@pytest.mark.parametrize(
    ("wrapper", "name"),
    [("", "blood-cells.zip"), ("blood-cells/", "cells.zip"), ("blood-cells/", None), ("", "blood-cells")],
)
def test_a_folder_or_zip_named_after_a_task_has_its_classes(tmp_path, wrapper, name):
    source = folders(f"{wrapper}lymphocyte/1.png", f"{wrapper}monocyte/1.png")
    if name:
        path, archive = tmp_path / name, source
        path.write_bytes(archive) if path.suffix else zipfile.ZipFile(io.BytesIO(archive)).extractall(path)
        source = path
    deck = read_deck(source)
    assert deck.task == "blood-cells"
    assert ("basophil", "Basophil") in deck.classes


def test_files_without_class_folders_are_no_deck():
    with pytest.raises(DeckError, match="is no deck"):
        read_deck(zipped(None))


def test_writing_and_reading_keeps_everything_but_the_files_themselves():
    deck = read_deck(zipped(entry()))
    again = read_deck(write_deck(deck))
    assert (again.title, again.language, again.task, again.classes) == ("Shapes", "en", "shapes", CLASSES)
    assert [(c.truth, c.text) for c in again.cases] == [(c.truth, c.text) for c in deck.cases]
    assert np.array_equal(pixels(again.cases[0].picture), pixels(deck.cases[0].picture))
    assert write_deck(deck) == write_deck(deck)


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_no_header_and_no_name_survives_writing():
    with pydicom.dcmread(get_testdata_file("CT_small.dcm")) as dataset:
        dataset.PatientName = "DOE^JOHN"
        dicom = io.BytesIO()
        dataset.save_as(dicom)
    exif = Image.Exif()
    exif[0x9286] = "DOE^JANE"
    jpeg = io.BytesIO()
    Image.new("RGB", (4000, 20), "red").save(jpeg, "JPEG", exif=exif)
    deck = Deck("Two", "en", "own", CLASSES, (Case(dicom.getvalue(), "round"), Case(jpeg.getvalue(), "square")))
    written = write_deck(deck)
    assert b"DOE" in dicom.getvalue()
    assert b"DOE" in jpeg.getvalue()
    assert b"DOE" not in written
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        assert archive.namelist() == ["deck.json", "pictures/001.png", "pictures/002.png"]
        first, second = (Image.open(io.BytesIO(archive.read(name))) for name in archive.namelist()[1:])
    assert (first.mode, first.size, first.info) == ("L", (128, 128), {})
    assert second.size == (2048, 10)


def test_a_picture_that_cannot_be_read_is_named_by_its_number():
    deck = Deck("Bad", "en", "own", CLASSES, (Case(png(), "round"), Case(b"hello", "square")))
    for act in (check_pictures, write_deck):
        with pytest.raises(DeckError, match="Case 2: "):
            act(deck)


def test_a_deck_too_long_to_be_read_again_is_not_written():
    with pytest.raises(DeckError, match="title is longer"):
        write_deck(Deck("x" * 121, "en", "own", CLASSES, (Case(png(), "round"),)))


def test_a_deck_too_large_to_be_read_again_is_not_written():
    cases = tuple(Case(png(seed, side=256), "round") for seed in range(6))  # noise: 192 kB each
    assert read_deck(write_deck(Deck("x", "en", "own", CLASSES, cases[:4]), 2**20)).cases
    with pytest.raises(DeckError, match="more than the 1 MB that can be opened again"):
        write_deck(Deck("x", "en", "own", CLASSES, cases), 2**20)
    many = tuple(Case(png(), "round", "\u4e2d" * 2000) for _ in range(MAX_CASES))
    with pytest.raises(DeckError, match="is larger than 1 MB"):
        write_deck(Deck("x", "en", "own", CLASSES, many))


def test_what_a_checkpoint_can_answer():
    from medmamba import checkpoints

    card = checkpoints.list_checkpoints()["generalist"]
    assert ("CT", "CT") in classes_of("modality", card)
    assert classes_of("no-such-task", card) == ()
    assert is_known("kidney-ct", dict(classes_of("kidney-ct", card)), card)
    assert is_known("kidney-ct", ["cyst", "tumor"], card)
    assert not is_known("kidney-ct", ["cyst", "pebble"], card)
    assert not is_known("none", ["cyst", "tumor"], card)
