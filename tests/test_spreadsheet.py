"""Cells: what begins like a formula is text, and all else stays as it is."""

import pytest

from medmamba.spreadsheet import harmless


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_what_begins_like_a_formula_is_text(text):
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=b", "slice-1.dcm", "'=1", " =1"])
def test_other_text_stays_as_it_is(text):
    assert harmless(text) == text
