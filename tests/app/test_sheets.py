"""Sheets: lines stay within the margins and go on to the next one; what is drawn beside a line stays with it."""

from itertools import chain

import pytest

from app.sheets import BOTTOM, GAP, TOP, Sheets, height_of, pdf

NOTICE = "This is no medical device."
GAPS = "□ stands for what the font lacks."


def lines(sheet):
    """What stands on a sheet below the notice, which every sheet begins with."""
    first, *others = [text.get_text() for text in sheet.texts]
    assert first == NOTICE
    return others


def test_lines_go_on_to_further_sheets_and_never_below_the_edge():
    paper = Sheets(NOTICE, GAPS)
    for number in range(150):
        paper.write(f"line {number}")
    found = [lines(sheet) for sheet in paper.sheets]
    assert len(found) == 3
    assert list(chain(*found)) == [f"line {number}" for number in range(150)]
    heights = [text.get_position()[1] for sheet in paper.sheets for text in sheet.texts]
    assert max(heights) == TOP
    assert min(heights) - height_of(9) >= BOTTOM - 1e-9


@pytest.mark.parametrize(("size", "left", "letters"), [(9, 0.08, 100), (18, 0.08, 50), (9, 0.5, 50)])
def test_a_line_holds_as_many_letters_as_fit(size, left, letters):
    paper = Sheets(NOTICE, GAPS)
    paper.write("x" * letters, size, left=left)
    assert len(lines(paper.figure)) == 1
    paper.write("x" * (letters + 1), size, left=left)
    assert len(lines(paper.figure)) == 3


def test_a_bar_stands_on_the_sheet_of_its_line():
    paper = Sheets(NOTICE, GAPS)
    paper.at = BOTTOM + height_of(9) / 2
    paper.bar(0.4, "red", 0.5, 0.3, "40 %")
    paper.write("label")
    first, second = paper.sheets
    assert not lines(first)
    assert not first.axes
    assert lines(second) == ["40 %", "label"]
    assert [bar.get_width() for bar in second.axes[0].patches] == [1, 0.4]


def test_a_pdf_has_a_page_for_each_sheet():
    paper = Sheets(NOTICE, GAPS)
    paper.turn()
    content = pdf(paper.sheets)
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page ") == 2
    assert b"CreationDate" not in content


@pytest.mark.parametrize("weight", ["normal", "bold"])
def test_letters_that_the_font_lacks_are_marked_and_the_last_sheet_says_so(weight):
    paper = Sheets(NOTICE, GAPS)
    paper.write("Zoë, Жанна, 李小龍, ひろ, 한별 🙂", weight=weight)
    (sheet,) = paper.done()
    assert lines(sheet) == [f"Zoë, Жанна, {GAP * 3}, {GAP * 2}, {GAP * 2} {GAP}", GAPS]
    pdf([sheet])  # with a warning, which is an error here, for a letter without a glyph


def test_nothing_is_said_of_letters_where_none_is_missing():
    paper = Sheets(NOTICE, GAPS)
    paper.write("Zoë ✓ – 50\u00a0%")
    assert lines(paper.done()[-1]) == ["Zoë ✓ – 50\u00a0%"]
