"""Values that came from JSON, held to the annotations of the dataclass that they were put into."""

import sys
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints


def check_types(made: Any) -> None:
    """Hold each field of a dataclass, and of the dataclasses in it, to its annotation.

    Numbers are finite; a whole number may stand for a float, and true and false are no numbers.

    Raises:
        TypeError: a value is of another kind; the message names its field.
    """
    kinds = _kinds(made.__class__)
    for field in fields(made):
        if not _fits(getattr(made, field.name), kinds[field.name]):
            raise TypeError(f"{field.name} is of the wrong kind")


@cache  # reading them takes longer than all else, and cards are read at every question
def _kinds(of: type) -> dict[str, Any]:
    return get_type_hints(of)


def _fits(value: Any, kind: Any) -> bool:
    if is_dataclass(value):  # before ``kind``, which may be a protocol
        check_types(value)
        return True
    origin, parts = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_fits(value, part) for part in parts)
    if origin is dict:
        return isinstance(value, dict) and _all_fit(value, parts[0]) and _all_fit(value.values(), parts[1])
    if origin is tuple and parts[-1] is Ellipsis:
        return isinstance(value, tuple) and _all_fit(value, parts[0])
    if origin is tuple:
        return isinstance(value, tuple) and len(value) == len(parts) and all(map(_fits, value, parts))
    if kind in (int, float):
        numbers = int if kind is int else int | float
        return isinstance(value, numbers) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return kind is Any or isinstance(value, kind)


def _all_fit(values: Iterable[Any], kind: Any) -> bool:
    return all(_fits(value, kind) for value in values)
