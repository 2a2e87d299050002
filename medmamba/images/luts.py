"""Lookup tables of DICOM: modality LUT (PS3.3 C.11.1.1), VOI LUT (C.11.2.1.1) and palettes, segmented too (C.7.9.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MAX_ENTRIES = 65536


class DamagedTable(ValueError):
    """The descriptor and the data of a lookup table do not fit together."""


@dataclass(frozen=True)
class Table:
    """``entries[0]`` belongs to the value ``first``, ``entries[1]`` to the next integer; ``bits`` is their depth."""

    first: int
    bits: int
    entries: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Looks up an integer array of any shape; values beyond either end take the entry at that end."""
        table, low = self.entries, int(values.min())
        span = np.clip(np.arange(low, min(int(values.max()), low + MAX_ENTRIES) + 1) - self.first, 0, len(table) - 1)
        if len(span) <= MAX_ENTRIES:
            return table[span][np.subtract(values, low, dtype=np.int64)]
        return table[np.clip(values.astype(np.int64) - self.first, 0, len(table) - 1)]

    @property
    def top(self) -> int:
        """The largest output that the depth allows."""
        return (1 << self.bits) - 1


def read_table(
    descriptor: Sequence[int],
    data: bytes | Sequence[int],
    *,
    little_endian: bool,
    signed: bool,
    segmented: bool = False,
) -> Table:
    """Builds a table from the two attributes that describe it.

    Args:
        descriptor: number of entries (0 means 65,536), first value mapped, bits of an entry (8 to 16).
        data: the raw bytes (VR OW) or the numbers (VR US or SS).
        little_endian: byte order of ``data``.
        signed: the first value mapped is a signed 16-bit number, as the pixels or modality values that it meets.
        segmented: ``data`` is a list of segments (PS3.3 C.7.9.2).

    Raises:
        DamagedTable: they do not fit together.
    """
    count, first, bits = (int(number) for number in descriptor)
    count = (count & 0xFFFF) or MAX_ENTRIES
    first &= 0xFFFF
    first = first - 65536 if signed and first >= 32768 else first
    if not 8 <= bits <= 16:
        raise DamagedTable("entry depth")
    words = np.frombuffer(data, "<u2" if little_endian else ">u2", len(data) // 2) if isinstance(data, bytes) else data
    if segmented:
        narrow = bits == 8 and isinstance(data, bytes)
        words = np.frombuffer(data, np.uint8) if narrow and isinstance(data, bytes) else words
        entries = np.asarray(_expand(list(map(int, words)), little_endian, narrow), dtype=np.int64)
    elif isinstance(data, bytes) and bits == 8 and count <= len(data) < 2 * count:
        entries = np.frombuffer(data, np.uint8).astype(np.int64)
    else:
        entries = np.asarray(words, dtype=np.int64) & 0xFFFF
    if not count <= len(entries) <= count + 1 or int(entries[:count].max()) >> bits:
        raise DamagedTable("number or size of the entries")
    return Table(first, bits, entries[:count].astype(np.uint16))


def _expand(words: list[int], little_endian: bool, narrow: bool) -> list[int]:
    """Writes out the segments: 0 discrete, 1 linear, 2 indirect (segments earlier in the same list, once more)."""
    out: list[int] = []

    def run(position: int, segments: int, nested: bool) -> None:
        done = 0
        while done < segments and position + 2 <= len(words):
            kind, length = words[position], words[position + 1]
            body = words[position + 2 : position + 2 + max(length, 4)]
            if kind == 0 and len(body) >= length:
                out.extend(body[:length])
                position += 2 + length
            elif kind == 1 and out and body:
                out.extend(int(v) for v in np.rint(np.linspace(out[-1], body[0], length + 1)[1:]))
                position += 3
            elif kind == 2 and out and not nested and len(body) >= (4 if narrow else 2):
                run(_offset(body, little_endian, narrow), length, True)
                position += 6 if narrow else 4
            else:
                raise DamagedTable("segment")
            if len(out) > MAX_ENTRIES:
                raise DamagedTable("too many entries")
            done += 1

    run(0, len(words), False)
    return out


def _offset(body: list[int], little_endian: bool, narrow: bool) -> int:
    """The position in the list that an indirect segment names: a byte offset in two words, the low word first."""
    if not narrow:
        return (body[1] << 16 | body[0]) // 2
    low, high = (body[1] << 8 | body[0], body[3] << 8 | body[2])
    return high << 16 | low if little_endian else (body[2] << 8 | body[3]) << 16 | (body[0] << 8 | body[1])
