import contextlib
import io
import zipfile
from pathlib import PurePosixPath

import pytest

from medmamba import archive
from medmamba.errors import ImageError


def zipped(method: int = zipfile.ZIP_DEFLATED, **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_entries_come_in_order():
    data = zipped(**{"b/one.png": b"1", "../../two.dcm": b"2", "__MACOSX/b/._one.png": b"x", "dir/": b""})
    assert list(archive.entries(data)) == [(PurePosixPath("b/one.png"), b"1"), (PurePosixPath("../../two.dcm"), b"2")]


@pytest.mark.parametrize("data", [b"", b"hello", zipped(a=b"1")[:-8]], ids=["empty", "text", "cut off"])
def test_what_is_no_archive_is_refused(data):
    with pytest.raises(ImageError, match="damaged"):
        list(archive.entries(data))


def test_a_damaged_entry_is_refused():
    data = bytearray(zipped(a=bytes(range(256)) * 20))
    data[40] ^= 0xFF
    with pytest.raises(ImageError):
        list(archive.entries(bytes(data)))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_flipped_bit_escapes(method: int):
    whole = zipped(method, a=bytes(range(256)) * 4, b=b"2")
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        with contextlib.suppress(ImageError):
            list(archive.entries(bytes(data)))


def test_an_entry_without_a_name_is_refused():
    data = bytearray(zipped(a=b"1"))
    place = data.index(b"PK\x01\x02")
    data[place + 28 : place + 30] = bytes(2)  # the length of its name in the directory
    data[place + 30 : place + 32] = (1).to_bytes(2, "little")  # what was its name is now an extra field
    with pytest.raises(ImageError, match="damaged"):
        list(archive.entries(bytes(data)))


def test_bombs_are_refused_by_what_they_say_and_by_what_they_do(monkeypatch):
    monkeypatch.setattr(archive, "MAX_INFLATED", 1000)
    with pytest.raises(ImageError, match="unpacks to more"):
        list(archive.entries(zipped(a=bytes(2000))))
    lying = bytearray(zipped(a=bytes(2000)))
    size = (2000).to_bytes(4, "little")
    place = lying.rindex(size)
    lying[place : place + 4] = (10).to_bytes(4, "little")
    with pytest.raises(ImageError):
        list(archive.entries(bytes(lying)))


def test_too_many_entries_are_refused(monkeypatch):
    monkeypatch.setattr(archive, "MAX_ENTRIES", 2)
    with pytest.raises(ImageError, match="more than 2 files"):
        list(archive.entries(zipped(a=b"", b=b"", c=b"")))


def test_encrypted_archives_are_refused():
    data = bytearray(zipped(a=b"1"))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    with pytest.raises(ImageError, match="encrypted"):
        list(archive.entries(bytes(data)))


def test_links_are_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        link = zipfile.ZipInfo("picture.png")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    with pytest.raises(ImageError, match="link"):
        list(archive.entries(buffer.getvalue()))
