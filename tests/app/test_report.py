import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from app.report import Look, _drawn, _Page, _window, overlay, render
from app.service import Question
from app.texts import texts_for
from medmamba.errors import RequestError
from medmamba.images import MedicalImage, Window
from medmamba.saliency import EvidenceMap


@pytest.fixture
def analysis(service, png):
    return service.classify(Question(service.hold(png()), task="kidney-ct"))


@pytest.fixture
def strong():
    return EvidenceMap(np.array([[1, -1], [0, 0.2]], np.float32), "grad-cam", 4, "cyst", 1.0)


@pytest.mark.parametrize("language", ["en", "de"])
def test_both_formats_hold_the_page(analysis, strong, language):
    texts = texts_for(language)
    assert render(analysis, strong, Look(), texts, "pdf").startswith(b"%PDF")
    page = Image.open(io.BytesIO(render(analysis, strong, Look(), texts, "png")))
    assert page.size == (1240, 1753)
    assert np.asarray(page.convert("L")).std() > 10


def words_of(page):
    return [text.get_text() for sheet in page.sheets for text in sheet.texts]


def test_a_report_says_which_side_is_which_and_that_it_shows_the_picture_as_filed(analysis):
    for orientation, words in (
        (None, "Left and right: unknown"),
        (("R", "L", "A", "P"), "Left edge: R, right edge: L"),
    ):
        page = _Page(texts_for("en"))
        image = analysis.image.replace(orientation=orientation)
        page.settings(dataclasses.replace(analysis, image=image), None, Look())
        assert any(line.startswith(words) and "not turned, mirrored" in line for line in words_of(page))


@pytest.mark.parametrize(("language", "words"), [("en", "Set that holds the truth"), ("de", "Menge, die in neun v")])
def test_the_prediction_set_is_in_the_report_where_there_is_one(analysis, language, words):
    for answer, there in ((analysis.answer, True), (dataclasses.replace(analysis.answer, prediction_set=None), False)):
        page = _Page(texts_for(language))
        page.answer(dataclasses.replace(analysis, answer=answer))
        assert any(line.startswith(words) for line in words_of(page)) == there


def test_a_window_has_the_decimal_mark_of_the_language(analysis):
    grey = dataclasses.replace(analysis, image=analysis.image.replace(pixels=analysis.image.pixels[..., 0].copy()))
    page = _Page(texts_for("de"))
    page.settings(grey, None, Look(window=(0.4567, 1234.2, "LINEAR")))
    assert any("B 1234 Z 0,457" in line for line in words_of(page))


def test_the_default_window_is_named_with_the_numbers_that_are_on_the_screen(analysis):
    for window, values, words in (
        (Window(40, 400), (0, 255), "W 400 L 40"),
        (None, (0.0, 253.0), "W 253 L 127"),  # Math.round of 126.5
    ):
        image = MedicalImage(np.zeros((8, 8), np.int16), window=window, value_range=values)
        page = _Page(texts_for("en"))
        page.settings(dataclasses.replace(analysis, image=image), None, Look())
        assert any(words in line for line in words_of(page))


def test_colours_go_through_the_window_that_is_on_the_screen():
    image = MedicalImage(np.array([[[0, 100, 200]]], np.uint8))
    assert _drawn(image, Look()).tolist() == [[[0, 100, 200]]]
    assert _drawn(image, Look(window=(100.0, 100.0, "LINEAR_EXACT"))).tolist() == [[[0, 128, 255]]]


def test_what_does_not_fit_goes_on_another_sheet(analysis, strong):
    image = analysis.image.replace(warnings=tuple(f"Warning {n}." for n in range(60)))
    long = dataclasses.replace(analysis, image=image)
    page = _Page(texts_for("en"))
    page.settings(long, None, Look())
    assert len(page.sheets) == 2
    assert all(0 < text.get_position()[1] < 1 for sheet in page.sheets for text in sheet.texts)
    assert all(sheet.texts[0].get_text().startswith("Research and education only.") for sheet in page.sheets)
    drawn = Image.open(io.BytesIO(render(long, strong, Look(), texts_for("en"), "png")))
    assert drawn.size == (1240, 2 * 1753)
    assert b"/Count 2" in render(long, strong, Look(), texts_for("en"), "pdf")


def test_a_report_holds_no_identifier_but_a_random_one(analysis, strong):
    pages = {render(analysis, strong, Look(), texts_for("en"), "pdf") for _ in range(2)}
    assert len(pages) == 2
    assert not any(b"CreationDate" in page for page in pages)


@pytest.mark.parametrize("look", [{"colormap": "jet"}, {"opacity": 2.0}])
def test_looks_that_do_not_exist(look):
    with pytest.raises(RequestError):
        Look(**look)


@pytest.mark.parametrize(
    "window",
    [
        Window(0.5, 0.25, "LINEAR_EXACT"),
        Window(0.4, 0.3, "SIGMOID"),
        Window(1, 2, "LUT", lut=(0, 9, 99), lut_top=99),
    ],
)
def test_a_report_draws_the_window_that_is_on_the_screen(analysis, strong, window):
    image = MedicalImage(np.linspace(0, 2, 64, dtype=np.float32).reshape(8, 8), windows=(Window(1, 2), window))
    look = Look(window=(window.centre, window.width, window.function))
    assert np.array_equal(image.display(_window(image, look)), image.display(window))
    grey = dataclasses.replace(analysis, image=image)
    assert render(grey, strong, look, texts_for("en"), "png")


def test_of_two_tables_over_one_span_the_second_is_the_one_that_the_page_names():
    default, other = (Window(1, 2, "LUT", lut=lut, lut_top=99) for lut in ((0, 9, 99), (0, 90, 99)))
    image = MedicalImage(np.array([[0, 1, 2]], np.int16), window=default, windows=(default, other, default))
    assert _window(image, Look(window=(1, 2, "LUT"))) is other
    assert _window(image, Look()) is default


def test_formats_that_do_not_exist(analysis, strong):
    with pytest.raises(RequestError, match="pdf, png"):
        render(analysis, strong, Look(), texts_for("en"), "exe")


def test_no_evidence_leaves_the_picture_as_it_is(strong):
    grey = np.full((64, 64, 3), 100, np.uint8)
    drawn = overlay(grey, strong, Look(opacity=1.0))
    assert (drawn[5, -5] == 100).all()
    assert (drawn[5, 5] == np.rint(np.array([253.5, 231.6, 55.0]))).all() or abs(int(drawn[5, 5, 0]) - 254) < 3
    assert not (overlay(grey, strong, Look(opacity=1.0, signed=True))[5, -5] == 100).all()
    assert (overlay(grey, strong, Look(opacity=0.0)) == grey).all()
