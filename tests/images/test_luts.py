"""Lookup tables: ends, signs, segments, and damage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medmamba.images.luts import DamagedTable, Table, read_table


def words(*numbers: int, little_endian: bool = True) -> bytes:
    return np.array(numbers, "<u2" if little_endian else ">u2").tobytes()


def entries(descriptor: list[int], data: bytes, *, segmented: bool = False, little_endian: bool = True) -> list[int]:
    table = read_table(descriptor, data, little_endian=little_endian, signed=False, segmented=segmented)
    return table.entries.tolist()


def test_values_beyond_the_ends_take_the_end() -> None:
    table = Table(-1, 16, np.array([10, 20, 30], np.uint16))
    assert table.apply(np.array([[-9, -1, 0, 1, 99]], np.int16)).tolist() == [[10, 10, 20, 30, 30]]
    assert table.apply(np.array([-(2**31), 0, 2**31 - 1], np.int32)).tolist() == [10, 20, 30]


def test_the_first_value_has_the_sign_of_the_pixels() -> None:
    for signed, first in ((False, 65535), (True, -1)):
        table = read_table([2, 65535, 16], words(1, 2), little_endian=True, signed=signed)
        assert table.first == first


@pytest.mark.parametrize("little_endian", [True, False])
def test_bytes_in_either_order_and_of_either_width(little_endian: bool) -> None:
    assert entries([2, 0, 16], words(258, 3, little_endian=little_endian), little_endian=little_endian) == [258, 3]
    assert entries([3, 0, 8], bytes([1, 2, 255])) == [1, 2, 255]
    assert entries([3, 0, 8], words(1, 2, 255)) == [1, 2, 255]


def test_zero_entries_mean_65536() -> None:
    assert len(entries([0, 0, 16], bytes(131072))) == 65536


def test_segments_discrete_linear_and_indirect() -> None:
    # two discrete entries, a ramp of four to 50, and both segments once more from byte 0 (PS3.3 C.7.9.2)
    data = words(0, 2, 5, 10, 1, 4, 50, 2, 2, 0, 0)
    assert entries([12, 0, 16], data, segmented=True) == [5, 10, 20, 30, 40, 50] * 2
    narrow = bytes([0, 2, 5, 10, 1, 4, 50, 2, 2, 0, 0, 0, 0])
    assert entries([12, 0, 8], narrow, segmented=True) == [5, 10, 20, 30, 40, 50] * 2


@pytest.mark.parametrize(
    ("descriptor", "data", "segmented"),
    [([3, 0, 16], words(1, 2), False), ([2, 0, 8], words(1, 999), False), ([2, 0, 17], words(1, 2), False),
     ([2, 0, 7], words(1, 2), False), ([2, 0, 16], words(1, 2, 9), True), ([2, 0, 16], words(3, 2, 9), True),
     ([2, 0, 16], words(2, 1, 0, 0), True), ([9, 0, 16], words(0, 1, 5, 2, 9, 0, 0), True), ([9, 0, 16], b"", False),
     ([0, 0, 16], words(0, 1, 5, *[1, 65535, 7] * 3), True)],
)  # fmt: skip
def test_damaged_tables_are_refused(descriptor: list[int], data: bytes, segmented: bool) -> None:
    with pytest.raises(DamagedTable):
        entries(descriptor, data, segmented=segmented)


@settings(max_examples=200, deadline=None)
@given(
    descriptor=st.tuples(*[st.integers(-70000, 70000)] * 2, st.integers(0, 20)), data=st.binary(max_size=60),
    segmented=st.booleans(), little_endian=st.booleans(), signed=st.booleans(),
)  # fmt: skip
def test_any_bytes_are_a_table_or_damaged(
    descriptor: tuple[int, ...], data: bytes, segmented: bool, little_endian: bool, signed: bool
) -> None:
    try:
        table = read_table(descriptor, data, little_endian=little_endian, signed=signed, segmented=segmented)
    except DamagedTable:
        return
    values = np.array([-70000, 0, 70000])
    assert table.apply(values).max() <= table.top
