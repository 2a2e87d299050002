"""Small files of every kind that is read, made on the spot: what the fuzzer starts from and what the tests compare."""

import io
import struct
from typing import Any, Literal

import imagecodecs
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.pixels import get_encoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

LOSSLESS = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEG2000Lossless,
    HTJ2KLossless,
)
NATIVE = LOSSLESS[:4]
CT = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def dicom(pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian, **attributes: Any) -> bytes:
    """A DICOM file of ``pixels``: (H, W) or (N, H, W) grey, or (H, W, 3) RGB, integers or floats.

    Args:
        syntax: one of ``LOSSLESS``; the pixels are coded so. Any other is written with ``PixelData`` as given.
        attributes: by keyword, over the defaults; None removes one, ``PixelData`` gives the coded bytes themselves.
    """
    colour = pixels.ndim == 3 and pixels.shape[2] == 3
    bits = 8 * pixels.dtype.itemsize
    ds = Dataset()
    ds.SOPClassUID = SECONDARY_CAPTURE if colour else CT
    ds.SOPInstanceUID = "1.2.826.0.1.3680043.8.498.1"
    ds.Modality = "OT" if colour else "CT"
    ds.BurnedInAnnotation = "NO"
    ds.Rows, ds.Columns = pixels.shape[:2] if colour or pixels.ndim == 2 else pixels.shape[1:]
    ds.SamplesPerPixel = 3 if colour else 1
    ds.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        ds.PlanarConfiguration = 0
    if pixels.ndim == 3 and not colour:
        ds.NumberOfFrames = len(pixels)
    ds.BitsAllocated = bits
    floats = {4: "FloatPixelData", 8: "DoubleFloatPixelData"} if pixels.dtype.kind == "f" else {}
    if not floats:
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, int(pixels.dtype.kind == "i")
    for keyword, given in attributes.items():
        setattr(ds, keyword, given)
    little = syntax != ExplicitVRBigEndian
    if "PixelData" not in attributes:
        if syntax in NATIVE:
            coded = pixels.astype(pixels.dtype.newbyteorder("<" if little else ">")).tobytes()
            coded += b"\0" * (len(coded) % 2)
        else:
            planes = pixels if pixels.ndim == 3 and not colour else pixels[None]
            coded = encapsulate([_code(plane, syntax, ds) for plane in planes])
        setattr(ds, floats.get(pixels.dtype.itemsize, "PixelData"), coded)
    if "PixelData" in ds:
        ds["PixelData"].VR = "OW" if bits > 8 or syntax == ImplicitVRLittleEndian else "OB"
        ds["PixelData"].is_undefined_length = syntax not in NATIVE
    for keyword in [name for name, given in attributes.items() if given is None]:
        delattr(ds, keyword)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID = UID(ds.get("SOPClassUID") or CT)
    ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.826.0.1.3680043.8.498.1")
    buffer = io.BytesIO()
    implicit = syntax == ImplicitVRLittleEndian
    ds.preamble = bytes(128)
    known = UID(syntax).is_transfer_syntax
    dcmwrite(
        buffer, ds, implicit_vr=implicit, little_endian=little, enforce_file_format=known, force_encoding=not known
    )
    return buffer.getvalue()


def _code(plane: np.ndarray, syntax: str, ds: Dataset) -> bytes:
    """One frame in one of the lossless code streams; where it knows no sign, signed values go as the same bits."""
    bits = 8 * plane.dtype.itemsize
    unsigned = np.ascontiguousarray(plane).view(f"u{plane.dtype.itemsize}")
    if syntax == RLELossless:
        return get_encoder(RLELossless).encode(
            plane.tobytes(),
            rows=plane.shape[0],
            columns=plane.shape[1],
            samples_per_pixel=ds.SamplesPerPixel,
            number_of_frames=1,
            bits_allocated=bits,
            bits_stored=bits,
            pixel_representation=int(plane.dtype.kind == "i"),
            photometric_interpretation=ds.PhotometricInterpretation,
            planar_configuration=0,
        )
    if syntax in (JPEGLossless, JPEGLosslessSV1):
        space = "RGB" if plane.ndim == 3 else "GRAYSCALE"
        predictor = 1 if syntax == JPEGLosslessSV1 else 6
        coded = imagecodecs.jpeg8_encode(
            unsigned, lossless=True, predictor=predictor, bitspersample=bits, colorspace=space, outcolorspace=space
        )
    elif syntax == JPEGLSLossless:
        coded = imagecodecs.jpegls_encode(unsigned)
    elif syntax == HTJ2KLossless:
        coded = imagecodecs.htj2k_encode(plane, reversible=True)
    else:
        coded = imagecodecs.jpeg2k_encode(plane, level=0, codecformat="J2K", reversible=True)
    return bytes(coded)


def nifti(volume: np.ndarray, *, affine: np.ndarray | None = None, scaling: tuple[float, float] = (0, 0)) -> bytes:
    """A NIfTI-1 file of a (X, Y, Z[, T]) volume, with an sform if ``affine`` (4, 4) is given."""
    kinds = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768}
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, volume.ndim, *volume.shape, *[1] * (7 - volume.ndim))
    struct.pack_into("<hh", header, 70, kinds[volume.dtype.str[1:]], 8 * volume.dtype.itemsize)
    struct.pack_into("<8f", header, 76, 1, *[1] * 7)
    struct.pack_into("<fff", header, 108, 352, *scaling)
    if affine is not None:
        struct.pack_into("<h", header, 254, 1)
        struct.pack_into("<12f", header, 280, *affine[:3].ravel())
    header[344:348] = b"n+1\0"
    return bytes(header) + volume.tobytes(order="F")


def tiff(
    *pages: np.ndarray, planar: bool = False, order: Literal["<", ">"] = "<", tags: dict[int, int] | None = None
) -> bytes:
    """An uncompressed TIFF of pages (H, W) grey or (H, W, S) of any number type, one strip or one for each sample.

    Args:
        planar: store one sample after the other, in place of one pixel after the other.
        order: byte order, "<" or ">".
        tags: by number, over the defaults on every page.
    """
    data = bytearray(struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8))
    link = 4
    for page in pages:
        samples = page.shape[2] if page.ndim == 3 else 1
        body = (np.moveaxis(page, 2, 0) if planar else page).astype(page.dtype.newbyteorder(order)).tobytes()
        strips = samples if planar else 1
        start, length = len(data), len(body) // strips
        data += body
        entries = {
            256: [page.shape[1]], 257: [page.shape[0]], 258: [8 * page.dtype.itemsize], 259: [1],
            262: [2 if samples > 2 else 1], 273: [start + length * index for index in range(strips)], 277: [samples],
            278: [page.shape[0]], 279: [length] * strips, 284: [1 + planar], 339: ["uif".index(page.dtype.kind) + 1],
        } | {tag: [given] for tag, given in (tags or {}).items()}  # fmt: skip
        directory = struct.pack(f"{order}H", len(entries))
        for tag, numbers in sorted(entries.items()):
            place = len(data)
            if len(numbers) > 1:
                data += struct.pack(f"{order}{len(numbers)}I", *numbers)
            directory += struct.pack(f"{order}HHII", tag, 4, len(numbers), place if len(numbers) > 1 else numbers[0])
        struct.pack_into(f"{order}I", data, link, len(data))
        link = len(data) + len(directory)
        data += directory + bytes(4)
    return bytes(data)


def pictures() -> dict[str, bytes]:
    """One small file for every kind and every decoder, by name."""
    ramp = np.add.outer(np.arange(24, dtype=np.int16), np.arange(32, dtype=np.int16)) * 37 - 500
    colour = np.stack([ramp % 256, ramp // 4 % 256, 255 - ramp % 256], axis=2).astype(np.uint8)
    files = {f"dicom-{UID(syntax).name}": dicom(ramp, syntax) for syntax in LOSSLESS}
    files |= {f"dicom-rgb-{UID(syntax).name}": dicom(colour, syntax) for syntax in LOSSLESS}
    files["dicom-frames"] = dicom(np.stack([ramp, ramp + 1, ramp + 2]), WindowCenter=[40, 400], WindowWidth=[80, 2000])
    files["dicom-float"] = dicom(ramp.astype(np.float32))
    picture = Image.fromarray(colour)
    for kind, options in (
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("GIF", {}),
    ):
        files[f"{kind}-{len(files)}"] = _saved(picture, kind, **options)
    files["PNG-16"] = _saved(Image.fromarray((ramp + 500).astype(np.uint16)), "PNG")
    files["PNG-alpha"] = _saved(picture.convert("RGBA"), "PNG")
    files["PNG-palette"] = _saved(picture.quantize(16), "PNG")
    files["PNG-rgb-16"] = bytes(imagecodecs.png_encode(colour.astype(np.uint16) * 257))
    files["TIFF-float"] = _saved(Image.fromarray(ramp.astype(np.float32)), "TIFF")
    files["TIFF-rgb-16"] = bytes(imagecodecs.tiff_encode(colour.astype(np.uint16) * 257, photometric="rgb"))
    files["TIFF-signed-8"] = tiff((ramp // 8).astype(np.int8), tags={274: 6})
    files["TIFF-double"] = tiff(ramp.astype(np.float64), ramp.astype(np.float64), order=">")
    files["TIFF-planes-16"] = tiff(colour.astype(np.uint16) * 257, planar=True)
    files["TIFF-alpha-16"] = tiff(np.dstack([colour, colour[:, :, 0]]).astype(np.uint16) * 257, tags={338: 2})
    files["JPEG-cmyk"] = _saved(picture.convert("CMYK"), "JPEG")
    files["NIfTI"] = nifti(np.stack([ramp] * 3, axis=2), affine=np.diag([1.0, 1.0, 2.0, 1.0]))
    return files


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
