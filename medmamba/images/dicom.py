"""DICOM to ``MedicalImage`` (PS3.3 C.7.6.3, C.7.6.16, C.11; PS3.5 sections 7, 8 and annex A).

The order is: parse, name what is no picture, check the header against the limits and the real length, decode one frame,
then stored value -> modality value or RGB. Windowing and inversion are left to ``MedicalImage``.
"""

import io
import logging
import zlib

import numpy as np
import pydicom
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset, read_preamble
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medmamba.errors import ImageError
from medmamba.images import dicom_facts
from medmamba.images.colour import full_scale, to_srgb, ybr_to_rgb
from medmamba.images.dicom_facts import integer, item, number, value, word
from medmamba.images.dicom_pixels import DAMAGED, Layout, decode, layout_of
from medmamba.images.geometry import square_pixels
from medmamba.images.limits import MAX_INFLATED, check_frame
from medmamba.images.luts import DamagedTable
from medmamba.images.picture import MedicalImage, gaps, span

config.settings.reading_validation_mode = config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)  # its messages quote the header

GREY = frozenset(("MONOCHROME1", "MONOCHROME2"))


def read(data: bytes, frame: int = 0) -> MedicalImage:
    """Reads one frame (from 0) of a DICOM file. Raises ``ImageError`` for whatever cannot be read or is no picture."""
    dataset, syntax, little_endian = _parse(data)
    layout = layout_of(dataset, syntax, little_endian)
    check_frame(frame, layout.frames)
    stored, bits, colour = decode(dataset, layout, frame)
    warnings = list(_notes(dataset, layout, frame))
    spacing, notes = dicom_facts.spacing(dataset, frame)
    facts = dicom_facts.tags(dataset) | {
        "Rows": str(layout.rows), "Columns": str(layout.columns), "BitsStored": str(layout.stored),
        "PhotometricInterpretation": layout.photometric, "TransferSyntax": dicom_facts.syntax_name(layout.syntax),
    }  # fmt: skip
    if name := dicom_facts.sop_class_name(dataset):
        facts["SOPClass"] = name
    image = MedicalImage(
        stored, frame=frame, frames=layout.frames, orientation=dicom_facts.orientation(dataset, frame),
        kind="DICOM", warnings=(*warnings, *notes), tags=facts, pixel_spacing=spacing,
        inverted=layout.photometric == "MONOCHROME1",
    )  # fmt: skip
    if layout.photometric in GREY:
        image = _grey(dataset, layout, frame, image)
    else:
        image = _colour(dataset, layout, image, bits, colour)
    return square_pixels(image, dicom_facts.aspect(dataset, spacing))


def _parse(data: bytes) -> tuple[Dataset, str, bool]:
    """The data set, its transfer syntax and byte order. Deflated files are inflated here, within the limit."""
    try:
        source = io.BytesIO(data)
        read_preamble(source, force=True)
        meta = read_dataset(source, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
        syntax = str(meta.get("TransferSyntaxUID", ""))
        if syntax == DeflatedExplicitVRLittleEndian:
            dataset = read_dataset(io.BytesIO(_inflate(data[source.tell() :])), False, True)
            return dataset, syntax, True
        full = pydicom.dcmread(io.BytesIO(data), force=True)
        implicit, little_endian = full.original_encoding
    except ImageError:
        raise
    except Exception:  # pydicom raises many kinds on a damaged header, RecursionError on deep sequences among them
        raise ImageError(DAMAGED) from None
    if not syntax:
        syntax = (
            str(ImplicitVRLittleEndian)
            if implicit
            else str(ExplicitVRLittleEndian if little_endian else ExplicitVRBigEndian)
        )
    return full, syntax, bool(little_endian)


def _inflate(packed: bytes) -> bytes:
    """Raw deflate (PS3.5 A.5), refused over ``MAX_INFLATED`` before the memory is spent, and when it is cut off."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    plain = inflater.decompress(packed, MAX_INFLATED)
    if inflater.unconsumed_tail:
        raise ImageError(f"This file unpacks to more than {MAX_INFLATED >> 20} MB. Export one picture uncompressed.")
    if not inflater.eof:
        raise ImageError(DAMAGED)
    return plain


def _grey(dataset: Dataset, layout: Layout, frame: int, image: MedicalImage) -> MedicalImage:
    """Modality LUT or rescale (PS3.3 C.11.1), padding (C.7.5.1.1.2), windows and the full range."""
    stored = image.pixels
    warnings = list(image.warnings)
    low = -(1 << layout.stored - 1) if layout.signed else 0
    high = low + (1 << layout.stored) - 1
    padding = _padding(dataset, layout)
    outside = (stored >= padding[0]) & (stored <= padding[1]) if padding else np.zeros(stored.shape, dtype=bool)
    ends = np.array([low, high, *(padding or (0, 0))])
    holder = item(dataset, "ModalityLUTSequence")
    usable = True
    if holder is not None and stored.dtype.kind in "iu":
        try:
            table = dicom_facts.table_of(holder, "LUT", layout.little_endian, layout.signed)
        except DamagedTable:
            raise ImageError("The file's modality lookup table is damaged. Export it again.") from None
        pixels, ends = table.apply(stored), np.array([0, table.top, *table.apply(ends[2:])])
    else:
        pixels, usable = _rescale(dataset, layout, frame, stored)
        ends = _rescale(dataset, layout, frame, ends)[0] if usable else ends
    facts = dict(image.tags) | ({"RescaleType": "HU"} if usable and dicom_facts.is_hounsfield(dataset, frame) else {})
    if not usable:
        warnings.append("The file's rescale values are damaged: its values are shown as stored, without its window.")
    offers, notes = dicom_facts.windows(dataset, frame, layout.little_endian, layout.signed or min(ends[:2]) < 0)
    offers = offers if usable else ()
    inside = pixels[~outside] if padding and not outside.all() else pixels
    full = (float(ends[0]), float(ends[1])) if layout.stored <= 8 and holder is None else span(inside)
    if not offers and layout.stored > 8:
        warnings.append("The file names no window: its darkest value is drawn black and its brightest white.")
    outer = (float(min(ends[2:])), float(max(ends[2:]))) if padding and outside.any() else None
    if outer and stored.dtype.kind == "f":
        pixels, outer = _moved_padding(pixels, outside)
    return image.replace(
        pixels=np.ascontiguousarray(pixels), window=offers[0] if offers else None, windows=offers,
        value_range=(min(full), max(full)), warnings=(*warnings, *gaps(pixels), *notes),
        padding=outer, tags=facts,
    )  # fmt: skip


def _rescale(dataset: Dataset, layout: Layout, frame: int, stored: np.ndarray) -> tuple[np.ndarray, bool]:
    """Rescale slope and intercept: integers stay integers where that is exact. False: they were not usable.

    Nor are they where a value would become too large for float32, in which pictures are kept.
    """
    holder = dicom_facts.groups(dataset, frame, "PixelValueTransformationSequence")
    given = value(holder, "RescaleSlope") is not None or value(holder, "RescaleIntercept") is not None
    slope = 1.0 if value(holder, "RescaleSlope") is None else number(holder, "RescaleSlope")
    intercept = 0.0 if value(holder, "RescaleIntercept") is None else number(holder, "RescaleIntercept")
    exact = stored.dtype if stored.dtype.kind in "iu" else np.dtype(np.float32)
    if not given or (slope, intercept) == (1.0, 0.0):
        return stored.astype(exact, copy=False), True
    if not slope or intercept is None:
        return stored.astype(exact, copy=False), False
    largest = 2.0**layout.stored if stored.dtype.kind in "iu" else max(map(abs, span(stored)))
    bound = abs(slope) * largest + abs(intercept)
    if bound > np.finfo(np.float32).max:
        return stored.astype(exact, copy=False), False
    if stored.dtype.kind in "iu" and slope == int(slope) and intercept == int(intercept) and bound < 2**31:
        return (stored.astype(np.int32) * int(slope) + int(intercept)).astype(np.int32), True
    with np.errstate(over="ignore", invalid="ignore"):
        return (stored.astype(np.float64) * slope + intercept).astype(np.float32), True


def _padding(dataset: Dataset, layout: Layout) -> tuple[float, float] | None:
    """Lowest and highest stored value that means "outside the picture" (PS3.3 C.7.5.1.1.2, C.7.6.24), or None."""
    prefix = layout.keyword.removesuffix("PixelData")  # "Float" and "DoubleFloat" have attributes of their own
    read = number if prefix else integer
    first, last = (read(dataset, f"{prefix}PixelPadding{end}") for end in ("Value", "RangeLimit"))
    if first is None:
        return None
    ends = [end if prefix else _as_stored(int(end), layout) for end in (first, first if last is None else last)]
    return min(ends), max(ends)


def _moved_padding(pixels: np.ndarray, outside: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Float values (H, W) with the padding put just below the others, and where it is then.

    It is often the lowest number there is, which would leave one step of ``MedicalImage.samples`` to the picture.
    """
    low, high = span(pixels[~outside])
    below = min(np.float32(low - ((high - low) / 65534 or 1.0)), np.nextafter(np.float32(low), np.float32(-np.inf)))
    return np.where(outside, below, pixels), (float(below), float(below))


def _as_stored(number: int, layout: Layout) -> int:
    """A header value read with the signedness of the pixels: the same 16 bits are often written with the other one."""
    number &= (1 << layout.allocated) - 1
    return number - (1 << layout.allocated) if layout.signed and number >> (layout.allocated - 1) else number


def _colour(dataset: Dataset, layout: Layout, image: MedicalImage, bits: int, colour: str | None) -> MedicalImage:
    """Palettes (PS3.3 C.7.6.3.1.5 and 1.6) and YBR (C.7.6.3.1.2) to RGB, at full scale."""
    pixels = image.pixels
    if layout.photometric == "PALETTE COLOR":
        try:
            tables = [
                dicom_facts.table_of(dataset, f"{name}PaletteColorLookupTable", layout.little_endian, layout.signed)
                for name in ("Red", "Green", "Blue")
            ]
        except DamagedTable:
            raise ImageError("The file's colour palette is damaged or absent. Export it as RGB.") from None
        pixels, bits = np.stack([table.apply(pixels) for table in tables], axis=2), max(t.bits for t in tables)
    elif colour == "YBR" or (colour is None and layout.photometric in ("YBR_FULL", "YBR_FULL_422")):
        pixels = ybr_to_rgb(pixels, bits)
    if pixels.dtype.kind == "i":
        pixels = np.clip(pixels, 0, None)
    pixels, said = to_srgb(full_scale(pixels, bits), dicom_facts.colour_profile(dataset))
    warnings = (*image.warnings, *said)
    if {colour, layout.photometric[:3]} == {"RGB", "YBR"} and layout.photometric not in ("YBR_ICT", "YBR_RCT"):
        warnings += ("The compressed picture and the header disagree on its colours: the former was followed.",)
    return image.replace(pixels=pixels, warnings=warnings)


def _notes(dataset: Dataset, layout: Layout, frame: int) -> list[str]:
    """The warnings that follow from the header alone."""
    notes = []
    if layout.frames > 1:
        notes.append(f"Frame {frame + 1} of {layout.frames}.")
    if layout.photometric == "MONOCHROME1":
        notes.append("Inverted for display, as the file is MONOCHROME1 (its lowest value is white).")
    if layout.frames > 1 and value(dataset, "TotalPixelMatrixColumns") is not None:
        notes.append("Each frame is one tile of a larger picture.")
    if word(dataset, "PresentationIntentType") == "FOR PROCESSING":
        notes.append("The file holds raw values (FOR PROCESSING), not the picture that is made of them for reading.")
    burned = word(dataset, "BurnedInAnnotation")
    if burned == "YES":
        notes.append("The picture holds burnt-in text, which may name the patient.")
    elif burned != "NO":
        notes.append("The picture may contain burnt-in text: the file does not rule it out.")
    # Their rows, and not their data, which older files keep in unused bits of the pixels.
    if any(0x6000 <= tag.group <= 0x601E and tag.element == 0x0010 for tag in list(dataset.keys())):
        notes.append("The file has overlays (drawings over the picture): they are not shown.")
    if word(dataset, "PixelPresentation") in ("COLOR", "MIXED"):
        notes.append("The file has a colour overlay table: the picture is shown in grey.")
    if word(dataset, "LossyImageCompression") == "01":
        notes.append("The picture was compressed with loss.")
    return notes
