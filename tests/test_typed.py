"""Values and annotations that fit, and that do not."""

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pytest

from medmamba.typed import check_types, fits


@dataclass(frozen=True)
class Inner:
    """One word."""

    word: str = ""


@dataclass(frozen=True)
class Outer:
    """One field of each kind."""

    whole: int = 0
    number: float = 0.0
    flag: bool = False
    words: tuple[str, ...] = ()
    pair: tuple[float, float] = (0.0, 0.0)
    shares: dict[str, float] | None = None
    inner: Inner = Inner()
    anything: Any = None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"whole": -3, "number": 3, "words": ("a", "b"), "pair": (1, 2.5)},
        {"shares": {"a": 1, "b": 0.5}, "flag": True, "anything": [object()]},
    ],
)
def test_values_that_fit(fields):
    check_types(Outer(**fields))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("whole", 1.0),
        ("whole", True),
        ("whole", None),
        ("number", "1"),
        ("number", False),
        ("number", float("nan")),
        ("number", float("inf")),
        ("number", 10**400),
        ("flag", 0),
        ("words", ["a"]),
        ("words", "ab"),
        ("words", ("\ud800",)),
        ("words", ("a", 1)),
        ("pair", (1.0,)),
        ("shares", {"a": None}),
        ("shares", {1: 0.5}),
        ("shares", []),
        ("inner", None),
    ],
)
def test_values_that_do_not_fit_are_named(field, value):
    with pytest.raises(TypeError, match=f"{field} is of the wrong kind"):
        check_types(Outer(**{field: value}))


class Entries(TypedDict):
    """One that must be there and one that may."""

    shares: list[float | None]
    count: NotRequired[int]


@pytest.mark.parametrize(
    ("value", "is_fit"),
    [
        ({"shares": []}, True),
        ({"shares": [0.5, None, 1], "count": 3, "further": "anything"}, True),
        ({}, False),
        ({"shares": [0.5, "1"]}, False),
        ({"shares": (0.5,)}, False),
        ({"shares": [], "count": None}, False),
        ({"shares": [], "count": True}, False),
        ([], False),
    ],
)
def test_entries_of_a_dict_are_held_to_theirs(value, is_fit):
    assert fits(value, Entries) is is_fit
    assert fits({"one": value}, dict[str, Entries]) is is_fit


def test_fields_within_fields_are_held_to_theirs():
    with pytest.raises(TypeError, match="word is of the wrong kind"):
        check_types(Outer(inner=Inner(word=3)))
