"""Pictures of other things: there for every kind, the same each time, and unlike one another."""

import numpy as np
import pytest

from medmamba import strangers
from medmamba.errors import DataError

KINDS = {**strangers.DESIGN, **strangers.HELD_OUT}


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_of_a_kind(kind):
    first, again = strangers.pictures(kind, 3), strangers.pictures(kind, 3)
    assert len(first) == 3
    for one, other in zip(first, again, strict=True):
        assert one.dtype == np.uint8
        assert one.ndim == 3
        assert one.shape[2] == 3
        assert min(one.shape[:2]) >= 64
        assert np.array_equal(one, other)
    assert not np.array_equal(first[0], first[1])


def test_no_kind_is_both_designed_on_and_held_out():
    assert not set(strangers.DESIGN) & set(strangers.HELD_OUT)
    assert len(KINDS) == len(strangers.DESIGN) + len(strangers.HELD_OUT)


def test_a_package_that_is_missing_is_named():
    with pytest.raises(DataError, match="Pictures that no_such_package ships"):
        strangers._open_shipped("no_such_package/picture.png")
