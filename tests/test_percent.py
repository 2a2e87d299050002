"""Probabilities in words: known ones, and those next to none and all."""

import pytest

from medmamba.percent import percent


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.5, "50.0%"),
        (0.00049, "<0.1%"),
        (0.0005, "0.1%"),
        (0.9995, ">99.9%"),
        (0.9994, "99.9%"),
        (1, "100.0%"),
        (0, "0.0%"),
    ],
)
def test_probabilities_are_never_rounded_to_none_or_all(share, words):
    assert percent(share) == words


def test_another_sign_and_decimal_mark():
    assert percent(0.9999, " %", lambda value, digits: f"{value:.{digits}f}".replace(".", ",")) == ">99,9 %"
