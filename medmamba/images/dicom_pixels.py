"""The pixels of a DICOM object: its header checked against the limits and the real length, then one frame decoded.

Sources: PS3.3 C.7.6.3 (Image Pixel), PS3.5 section 8 and annex A (encodings).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels import get_decoder
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

from medmamba.errors import ImageError
from medmamba.images import codestream
from medmamba.images.dicom_facts import integer, refuse_other_objects, syntax_name, value, word
from medmamba.images.limits import check_size

DAMAGED = "This DICOM file is damaged or cut off. Export it again."
PREFIX = "1.2.840.10008.1.2"
NATIVE = frozenset((PREFIX, f"{PREFIX}.1", f"{PREFIX}.1.99", f"{PREFIX}.2"))
COMPRESSED = frozenset(f"{PREFIX}.4.{end}" for end in (50, 51, 53, 55, 57, 70, 80, 81, 90, 91, 201, 202, 203))
EXACT = frozenset(f"{PREFIX}.4.{end}" for end in (57, 70, 80, 90, 201, 202))  # those that allow no loss
SAMPLES = {"MONOCHROME1": 1, "MONOCHROME2": 1, "PALETTE COLOR": 1, "RGB": 3} | dict.fromkeys(
    ("YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"), 3
)
RETIRED = frozenset(("HSV", "ARGB", "CMYK", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "XYB"))
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class Layout:
    """How one object stores its pixels, as far as the header says and ``layout_of`` has checked."""

    keyword: str
    syntax: str
    little_endian: bool
    encapsulated: bool
    photometric: str
    rows: int
    columns: int
    samples: int
    frames: int
    allocated: int
    stored: int
    high: int
    signed: bool
    planar: int


def layout_of(dataset: Dataset, syntax: str, little_endian: bool) -> Layout:
    """Checks every figure that decides how much is read and how it is understood."""
    keyword = next((name for name in PIXELS if name in dataset), "")
    refuse_other_objects(dataset, bool(keyword))
    if syntax not in NATIVE | COMPRESSED and syntax != RLELossless:
        name = syntax_name(syntax)
        raise ImageError(f"The picture is stored as {name}, which is not read. Export it uncompressed.")
    rows, columns = integer(dataset, "Rows") or 0, integer(dataset, "Columns") or 0
    check_size(rows, columns)
    frames = 1 if value(dataset, "NumberOfFrames") is None else integer(dataset, "NumberOfFrames")
    if frames is None or frames < 0:
        raise ImageError(DAMAGED)
    photometric = word(dataset, "PhotometricInterpretation") or ("MONOCHROME2" if keyword != "PixelData" else "")
    samples = integer(dataset, "SamplesPerPixel") or (1 if keyword != "PixelData" else 0)
    if SAMPLES.get(photometric) != samples:
        kind = photometric if photometric in SAMPLES.keys() | RETIRED else "unknown"
        raise ImageError(
            f"The picture's colours are stored in a way that is not read ({kind}, {samples} samples a pixel). "
            "Export it as MONOCHROME2 or RGB."
        )
    allocated = {PIXELS[1]: 32, PIXELS[2]: 64}.get(keyword) or integer(dataset, "BitsAllocated") or 0
    stored = integer(dataset, "BitsStored") or allocated
    high = integer(dataset, "HighBit")
    high = stored - 1 if high is None else high
    if allocated not in ((1, 8, 16, 32) if keyword == "PixelData" else (32, 64)):
        raise ImageError("The picture's values are stored with a depth that is not read. Export it with 8 or 16 bits.")
    if not (1 <= stored <= allocated and stored - 1 <= high < allocated):
        raise ImageError(DAMAGED)
    element = _element(dataset, keyword)
    encapsulated = syntax not in NATIVE or bool(element.is_undefined_length)
    if encapsulated and keyword != "PixelData":
        raise ImageError(DAMAGED)
    layout = Layout(
        keyword, syntax, little_endian, encapsulated, photometric, rows, columns, samples, frames or 1, allocated,
        stored, high, integer(dataset, "PixelRepresentation") == 1, integer(dataset, "PlanarConfiguration") or 0,
    )  # fmt: skip
    if not encapsulated and len(element.value) * 8 < _native_bits(layout) * layout.frames:
        raise ImageError("The file is shorter than its header says: it was cut off. Copy or export it again.")
    return layout


def _element(dataset: Dataset, keyword: str) -> DataElement:
    """The pixel data element, sure to hold bytes."""
    try:
        element = dataset[keyword]
    except Exception:  # as in dicom._parse
        raise ImageError(DAMAGED) from None
    if not isinstance(element.value, bytes):
        raise ImageError(DAMAGED)
    return element


def _native_bits(layout: Layout) -> int:
    """Length of one uncompressed frame in bits; YBR_FULL_422 stores two samples a pixel (PS3.3 C.7.6.3.1.2)."""
    samples = 2 if layout.photometric == "YBR_FULL_422" else layout.samples
    return layout.rows * layout.columns * samples * layout.allocated


def decode(dataset: Dataset, layout: Layout, frame: int) -> tuple[np.ndarray, int, str | None]:
    """One frame: stored values (rows, columns[, 3]), their depth in bits, the colour space if the stream tells it."""
    element = _element(dataset, layout.keyword)
    source = element.value
    if not layout.encapsulated or layout.syntax == RLELossless:
        return _decode_native(source, str(element.VR), layout, frame), layout.stored, None
    try:
        offsets = value(dataset, "ExtendedOffsetTable"), value(dataset, "ExtendedOffsetTableLengths")
        coded = get_frame(
            source, frame, number_of_frames=layout.frames, extended_offsets=offsets if all(offsets) else None
        )
    except Exception:  # as in dicom._parse
        raise ImageError(DAMAGED) from None
    stream = codestream.parse(coded)
    if (stream.rows, stream.columns, stream.components) != (layout.rows, layout.columns, layout.samples):
        raise ImageError("The compressed picture is not of the size that the header says. Export it again.")
    if stream.bits > layout.allocated:
        raise ImageError(DAMAGED)
    samples = codestream.decode(stream)
    if stream.family == "JPEG" and codestream.jpeg_is_cut_off(stream, samples):
        raise ImageError(codestream.DAMAGED)
    ringing = stream.signed and not stream.lossless  # below zero by loss, not by wrapping round
    whole_cells = stream.bits == layout.allocated > layout.stored and stream.lossless and layout.syntax in EXACT
    if whole_cells:  # the unused bits were coded along, with no sign or an overlay in them
        samples = _take_bits(samples, layout.stored, layout.high + 1 - layout.stored, layout.signed)
        return samples, layout.stored, stream.colour
    if layout.samples == 1 and stream.signed != layout.signed and not ringing:
        samples = _take_bits(samples, stream.bits, 0, layout.signed)
    return samples, stream.bits, stream.colour


def _decode_native(source: bytes, vr: str, layout: Layout, frame: int) -> np.ndarray:
    """Uncompressed or RLE, by pydicom; the bits above and below the stored ones are dropped (PS3.5 8.1.1)."""
    whole_422 = layout.photometric == "YBR_FULL_422" and not layout.encapsulated
    whole_422 = whole_422 and len(source) >= layout.rows * layout.columns * 3 * layout.frames
    options: Any = {
        "rows": layout.rows, "columns": layout.columns, "samples_per_pixel": layout.samples,
        "number_of_frames": layout.frames, "pixel_keyword": layout.keyword, "planar_configuration": layout.planar,
        "photometric_interpretation": "YBR_FULL" if whole_422 else layout.photometric, "pixel_vr": vr,
        "bits_allocated": layout.allocated, "bits_stored": layout.stored,
        "pixel_representation": int(layout.signed), "correct_unused_bits": False, "allow_excess_frames": False,
    }  # fmt: skip
    syntax = (
        RLELossless if layout.encapsulated else ExplicitVRLittleEndian if layout.little_endian else ExplicitVRBigEndian
    )
    try:
        if layout.allocated == layout.samples == 1 and not layout.encapsulated:
            return _decode_bits(source, vr, layout, frame)
        array, _ = get_decoder(syntax).as_array(source, index=frame, raw=True, **options)
    except Exception:  # as in dicom._parse
        raise ImageError(DAMAGED) from None
    if array.dtype.kind == "f" or layout.allocated == 1:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    return _take_bits(array, layout.stored, layout.high + 1 - layout.stored, layout.signed)


def _decode_bits(source: bytes, vr: str, layout: Layout, frame: int) -> np.ndarray:
    """One frame of single bits: the next one begins in the byte in which it ends (PS3.5 8.1.1 and annex D)."""
    octets = np.frombuffer(source, np.uint8)
    if vr == "OW" and not layout.little_endian:
        octets = octets.view(">u2").astype("<u2").view(np.uint8)
    start, count = frame * layout.rows * layout.columns, layout.rows * layout.columns
    bits = np.unpackbits(octets[start // 8 : (start + count + 7) // 8], bitorder="little")
    return bits[start % 8 :][:count].reshape(layout.rows, layout.columns)


def _take_bits(array: np.ndarray, bits: int, low: int, signed: bool) -> np.ndarray:
    """``bits`` bits of each integer from bit ``low`` up, read as signed or unsigned, in integers of the same size."""
    size = array.dtype.itemsize
    plain = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("=")).view(f"u{size}")
    spare = 8 * size - bits
    lifted = plain << np.uint8(spare - low) if spare - low else plain
    return (lifted.view(f"i{size}") if signed else lifted) >> np.uint8(spare)
