"""Values that came from JSON, held to annotations: those of the dataclass that they were put into, or a TypedDict's."""

import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache, reduce
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints, is_typeddict

Test = Callable[[Any], bool]


def check_types(made: Any) -> None:
    """Hold each field of a dataclass, and of the dataclasses in it, to its annotation.

    Numbers are finite; a whole number may stand for a float, and true and false are no numbers. Texts can be written:
    half of a character, as JSON's escapes can say, is none.

    Raises:
        TypeError: a value is of another kind; the message names its field.
    """
    for name, test in _tests_of(made.__class__).items():
        if not test(getattr(made, name)):
            raise TypeError(f"{name} is of the wrong kind")


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotation's kind; a TypedDict may hold further entries.

    Raises:
        TypeError: a field of a dataclass is not.
    """
    return _test_of(kind)(value)


@cache  # so that annotations are taken apart once and not for every number of a card
def _tests_of(of: type) -> dict[str, Test]:
    """A test for each field of a dataclass, or each entry of a TypedDict."""
    kinds = get_type_hints(of)
    return {name: _test_of(kinds[name]) for name in ([f.name for f in fields(of)] if is_dataclass(of) else kinds)}


@cache
def _test_of(kind: Any) -> Test:
    origin, parts = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return _entries_test(kind)
    if origin is UnionType:
        return reduce(_either, map(_test_of, parts))
    if origin is dict:
        of_key, of_value = map(_test_of, parts)
        return lambda value: isinstance(value, dict) and all(map(of_key, value)) and all(map(of_value, value.values()))
    if origin is list or (origin is tuple and parts[-1] is Ellipsis):
        of_each = _test_of(parts[0])
        return lambda value: isinstance(value, origin) and all(map(of_each, value))
    if origin is tuple:
        return lambda value: isinstance(value, tuple) and len(value) == len(parts) and all(map(fits, value, parts))
    if kind in (int, float):
        kinds, largest = (int, kind), sys.float_info.max
        return lambda value: type(value) in kinds and abs(value) <= largest
    if kind is str:
        return _is_text
    return lambda value: _is_sound(value) if is_dataclass(value) else kind is Any or isinstance(value, kind)


def _entries_test(kind: Any) -> Test:
    required, tests = kind.__required_keys__, _tests_of(kind).items()
    return lambda value: (
        isinstance(value, dict)
        and required <= value.keys()
        and all(test(value[name]) for name, test in tests if name in value)
    )


def _either(one: Test, other: Test) -> Test:
    return lambda value: one(value) or other(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _is_sound(made: Any) -> bool:
    check_types(made)  # and not against ``kind``, which may be a protocol
    return True
