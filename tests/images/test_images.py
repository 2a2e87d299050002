"""The door: what it takes, what it refuses in words, and that nothing about a patient passes through it."""

import io
import logging
import re
import tempfile
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydicom.encaps import encapsulate

from medmamba import images
from medmamba.errors import ImageError, MedMambaError
from medmamba.images import fuzz_seeds, guard, read
from medmamba.images.formats import table
from medmamba.images.limits import MAX_BYTES
from medmamba.images.wire import pack

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
CANARY = "DOE^CANARY"
SAMPLES = fuzz_seeds.pictures()


@pytest.fixture(scope="module", autouse=True)
def _end_the_workers() -> Any:
    yield
    guard.close()


def png(**options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RAMP).save(buffer, "PNG", **options)
    return buffer.getvalue()


def test_bytes_path_and_open_file_are_one(tmp_path: Path) -> None:
    path = tmp_path / "no-extension"
    path.write_bytes(png())
    with path.open("rb") as file:
        for source in (png(), bytearray(png()), memoryview(png()), path, str(path), file, io.BytesIO(png())):
            np.testing.assert_array_equal(read(source).pixels, RAMP)


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    for name in ("picture.txt", "picture.pdf", "picture.jpg"):
        (tmp_path / name).write_bytes(fuzz_seeds.dicom(RAMP))
        assert read(tmp_path / name, guarded=False).kind == "DICOM"


@pytest.mark.parametrize("source", ["", "no/such/file", "\0", "/", b"", None, 3, io.StringIO("text"), [1]])
@pytest.mark.parametrize("guarded", [True, False])
def test_anything_else_is_an_image_error(source: Any, guarded: bool) -> None:
    with pytest.raises(ImageError):
        read(source, guarded=guarded)


@pytest.mark.parametrize("frame", [-1, 10**30, "1", 1.5, None, 5])
def test_a_frame_that_is_not_there(frame: Any) -> None:
    with pytest.raises(ImageError, match="frame"):
        read(png(), frame=frame)


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageError, match="larger than 64 MB"):
        read(path)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"%PDF-1.7 x", "PDF"),
        (b"PK\x03\x04xx", "ZIP"),
        (b"8BPS\0\1", "Photoshop"),
        (b"SIMPLE  = T", "FITS"),
        (b"%!PS-Adobe", "EPS"),
        (b"<svg xmlns='x'/>", "SVG"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"MZ\x90\0", "program"),
        (b"\x7fELF", "program"),
        (b"P5\n2 2\n255\nabcd", "PGM"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "AVIF"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "video"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"hello, doctor", "text file"),
        (b"\x93NUMPY\1\0", "NumPy"),
        (b"\x03\x02\x01\x00" * 99, "no kind of picture"),
    ],
)
def test_other_files_are_refused_by_name_and_with_a_cure(data: bytes, word: str) -> None:
    with pytest.raises(ImageError, match=word) as caught:
        read(data, guarded=False)
    assert str(caught.value).endswith(".")


def test_pydicoms_files_are_all_read_or_refused_rightly() -> None:
    rows = {row.name: row for row in table(guarded=False)}
    assert len(rows) == 203
    assert sum(row.read for row in rows.values()) == 94
    holds_a_picture = {name for name in rows if _pydicom_sees_a_picture(name)}
    refused_pictures = {name for name in holds_a_picture if not rows[name].read}
    assert {Path(name).name for name in refused_pictures} == {
        "JPEG2000-embedded-sequence-delimiter.dcm", "MR_truncated.dcm", "badVR.dcm", "liver_1frame.dcm",
        "liver_expb_1frame.dcm", "rtdose.dcm", "rtdose_1frame.dcm", "rtdose_expb.dcm", "rtdose_expb_1frame.dcm",
        "rtdose_rle.dcm", "rtdose_rle_1frame.dcm",
    }  # fmt: skip
    assert {name for name, row in rows.items() if row.read} <= holds_a_picture


def _pydicom_sees_a_picture(name: str) -> bool:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(Path(pydicom.__file__).parent / "data" / name)
            return len(ds.get("PixelData") or b"") > 0 and "Rows" in ds
        except Exception:
            return False


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=600))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        read(data, guarded=False)


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(SAMPLES)), at=st.integers(0, 3000), junk=st.binary(min_size=1, max_size=9))
def test_a_broken_file_is_read_or_refused_and_nothing_else(name: str, at: int, junk: bytes) -> None:
    data = bytearray(SAMPLES[name])
    at %= len(data)
    data[at : at + len(junk)] = junk
    refusal = ""
    try:
        image = read(bytes(data), guarded=False)
    except images.ReaderFault:
        raise
    except ImageError as error:
        refusal = str(error)
    if refusal:
        assert re.fullmatch(r"[\x20-\x7e]{20,300}", refusal)
    else:
        assert image.display().shape == (*image.pixels.shape[:2], 3)


# Nothing about a patient


def every_string_tag_filled() -> bytes:
    """A DICOM file whose every text attribute, allowed ones included, names the canary."""
    texts = {
        keyword: f"{CANARY} {keyword}"[:60]
        for keyword in (
            "PatientName", "PatientID", "InstitutionName", "StudyDescription", "SeriesDescription", "ImageComments",
            "ProtocolName", "OperatorsName", "AccessionNumber", "WindowCenterWidthExplanation", "Manufacturer",
        )
    }  # fmt: skip
    codes = dict.fromkeys(
        (
            "Modality", "BodyPartExamined", "ViewPosition", "ImageLaterality", "PatientPosition", "VOILUTFunction",
            "PresentationIntentType", "BurnedInAnnotation", "LossyImageCompression",
        ),
        "CANARY",
    )  # fmt: skip
    return fuzz_seeds.dicom(
        RAMP.astype(np.int16),
        **texts,
        **codes,
        WindowCenter=40,
        WindowWidth=80,
        PatientOrientation=["CANARY", "CANARY"],
    )


def named_files() -> dict[str, bytes]:
    info = PngInfo()
    info.add_text("Comment", CANARY)
    info.add_itxt("Title", CANARY)
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = CANARY
    jpeg, tiff = io.BytesIO(), io.BytesIO()
    Image.fromarray(RAMP).save(jpeg, "JPEG", exif=exif, comment=CANARY.encode())
    Image.fromarray(RAMP).save(tiff, "TIFF", tiffinfo={270: CANARY})
    whole = {
        "dicom": every_string_tag_filled(),
        "png": png(pnginfo=info, exif=exif),
        "jpeg": jpeg.getvalue(),
        "tiff": tiff.getvalue(),
    }
    nifti = bytearray(fuzz_seeds.nifti(RAMP[:, :, None]))
    nifti[148 : 148 + len(CANARY)] = CANARY.encode()
    whole["nifti"] = bytes(nifti)
    broken = {f"{name} broken": data[: len(data) * 2 // 3] for name, data in whole.items()}
    strange = {
        "syntax": fuzz_seeds.dicom(RAMP, "1.2.3.4", PixelData=encapsulate([b"\0\0"]), PatientName=CANARY),
        "colours": fuzz_seeds.dicom(RAMP, PhotometricInterpretation="CANARY"),
        "text": f"{CANARY} is a patient".encode(),
        "no pixels": fuzz_seeds.dicom(RAMP, PixelData=None, PatientName=CANARY, Modality="CANARY"),
        "number": fuzz_seeds.dicom(RAMP).replace(b"(\0\x10\0US\x02\0", b"(\0\x10\0CANARY"),
    }
    return whole | broken | strange


@pytest.mark.parametrize("guarded", [True, False])
def test_no_word_of_a_file_gets_out(
    guarded: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "tmp").mkdir()
    caplog.set_level(logging.DEBUG)
    said, read_at_all = [], 0
    for name, data in named_files().items():
        path = tmp_path / f"{CANARY} {name}.dcm"
        path.write_bytes(data)
        for source in (data, path, tmp_path / f"{CANARY} not there"):
            try:
                image = read(source, guarded=guarded)
            except MedMambaError as error:
                said += traceback.format_exception(error)
                continue
            read_at_all += 1
            description, _ = pack(image)
            said += [description.decode(), repr(image)]
            Image.fromarray(image.display()).save(tmp_path / "export.png")
            assert CANARY.encode() not in (tmp_path / "export.png").read_bytes()
    assert read_at_all >= 10
    out, err = capfd.readouterr()
    for text in (*said, caplog.text, out, err):
        assert "CANARY" not in text.upper()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert "not there" not in " ".join(said)


def test_allowed_facts_are_shown() -> None:
    data = fuzz_seeds.dicom(RAMP, BodyPartExamined="CHEST", Modality="DX", ViewPosition="PA")
    tags = read(data, guarded=False).tags
    assert (tags["Modality"], tags["BodyPartExamined"], tags["ViewPosition"]) == ("DX", "CHEST", "PA")
    assert tags["TransferSyntax"] == "Explicit VR Little Endian"
    assert tags["Rows"] == "16"
