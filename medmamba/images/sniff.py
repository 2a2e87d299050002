"""What kind of file some bytes are, told from their first bytes alone: never from a name."""

import struct

from medmamba.errors import ImageError

SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
)
EXPORT = "Export the picture as DICOM, PNG or JPEG."
REFUSED = (
    (b"%PDF", f"This is a PDF document, not a picture. {EXPORT}"),
    (b"PK\x03\x04", "This is a ZIP archive or an office document. Unpack it and choose one picture."),
    (b"PK\x05\x06", "This is an empty ZIP archive. Choose a picture."),
    (b"Rar!", "This is a RAR archive. Unpack it and choose one picture."),
    (b"7z\xbc\xaf", "This is a 7-Zip archive. Unpack it and choose one picture."),
    (b"BZh", "This is a compressed file (bzip2). Unpack it and choose one picture."),
    (b"\xfd7zXZ", "This is a compressed file (xz). Unpack it and choose one picture."),
    (b"\x28\xb5\x2f\xfd", "This is a compressed file (Zstandard). Unpack it and choose one picture."),
    (b"MZ", "This is a program, not a picture."),
    (b"\x7fELF", "This is a program, not a picture."),
    (b"\xcf\xfa\xed\xfe", "This is a program, not a picture."),
    (b"\xca\xfe\xba\xbe", "This is a program, not a picture."),
    (b"#!", "This is a script, not a picture."),
    (b"8BPS", f"This is a Photoshop file (PSD), which is not read. {EXPORT}"),
    (b"SIMPLE  =", f"This is a FITS file, which is not read. {EXPORT}"),
    (b"%!PS", f"This is a PostScript file (EPS), which is not read. {EXPORT}"),
    (b"\xc5\xd0\xd3\xc6", f"This is a PostScript file (EPS), which is not read. {EXPORT}"),
    (b"\0\0\0\x0cjP  ", f"This is a JPEG 2000 file, which is read only inside DICOM. {EXPORT}"),
    (b"\xff\x4f\xff\x51", f"This is a JPEG 2000 code stream, which is read only inside DICOM. {EXPORT}"),
    (b"\0\0\0\x0cJXL ", f"This is a JPEG XL file, which is not read. {EXPORT}"),
    (b"\xff\x0a", f"This is a JPEG XL file, which is not read. {EXPORT}"),
    (b"\0\0\x01\0", f"This is an icon file, which is not read. {EXPORT}"),
    (b"\x93NUMPY", f"This is a NumPy array, which is not read. {EXPORT}"),
    (b"\x89HDF", f"This is an HDF5 file, which is not read. {EXPORT}"),
    (b"NRRD", "This is an NRRD volume, which is not read. Export it as NIfTI or DICOM."),
    (b"ObjectType", "This is a MetaImage header, which is not read. Export it as NIfTI or DICOM."),
    (b"NDims", "This is a MetaImage header, which is not read. Export it as NIfTI or DICOM."),
    (b"\x1aE\xdf\xa3", f"This is a video, not a picture. {EXPORT}"),
)
BIGTIFF = (b"II+\0", b"MM\0+")  # refused late: it may stand before a DICOM file, as TIFF may (PS3.10 7.1)
NETPBM = tuple(f"P{digit}{space}".encode() for digit in "1234567" for space in "\n\r\t ")
BOXES = {
    b"avif": "an AVIF picture, which is not read",
    b"avis": "an AVIF picture, which is not read",
    b"heic": "an HEIC picture, which is not read",
    b"heix": "an HEIC picture, which is not read",
    b"hevc": "an HEIC picture, which is not read",
    b"mif1": "an HEIC picture, which is not read",
    b"msf1": "an HEIC picture, which is not read",
}
VRS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)


def sniff(data: bytes) -> str:
    """The kind of a file: "DICOM", "PNG", "JPEG", "TIFF", "BMP", "WebP", "GIF", "NIfTI" or "gzip".

    Raises:
        ImageError: the bytes are something else; named where it is known, with what to do.
    """
    head = bytes(data[:512])
    for magic, sentence in REFUSED:
        if head.startswith(magic):
            raise ImageError(sentence)
    if head[128:132] == b"DICM":
        return "DICOM"
    for magic, kind in SIGNATURES:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if _is_nifti(head):
        return "NIfTI"
    if _is_bare_dicom(head, len(data)):
        return "DICOM"
    if head[:2] == b"BM" and len(head) >= 26:
        return "BMP"
    raise ImageError(_name_unknown(head))


def _is_nifti(head: bytes) -> bool:
    """NIfTI-1 or -2 in one file or with the header alone (magic "n+1", "n+2", "ni1", "ni2")."""
    return head[344:348] in (b"n+1\0", b"ni1\0") or head[4:8] in (b"n+2\0", b"ni2\0")


def _is_bare_dicom(head: bytes, length: int) -> bool:
    """DICOM without preamble: the first element is of group 0002 or 0008 (or 0000) and its length fits the file.

    Either byte order; explicit VR (PS3.5 7.1.2) by its two letters, implicit VR (7.1.3) by a length that fits.
    """
    if len(head) < 8:
        return False
    for order in "<>":
        group, element = struct.unpack_from(f"{order}HH", head)
        if group not in (0x0002, 0x0008) or element > 0x2000:
            continue
        if head[4:6] in VRS:
            return True
        if order == "<" and struct.unpack_from("<I", head, 4)[0] <= min(length - 8, 1024):
            return True
    return False


def _name_unknown(head: bytes) -> str:
    """The sentence for bytes that no reader takes."""
    if head[4:8] == b"ftyp":
        return f"This is {BOXES.get(head[8:12], 'a video, not a picture')}. {EXPORT}"
    if head.startswith(BIGTIFF):
        return f"This is a BigTIFF file, which is not read. {EXPORT}"
    if head.startswith(NETPBM):
        return f"This is a Netpbm picture (PGM, PPM), which is not read. {EXPORT}"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<svg") or (text.startswith(b"<?xml") and b"<svg" in text):
        return f"This is an SVG drawing, which is not read. {EXPORT}"
    if text.startswith((b"<!doctype html", b"<html", b"<script")):
        return "This is a web page, not a picture. Save the picture itself."
    if text and all(byte in b"\t\r\n" or byte >= 32 for byte in text):
        return f"This is a text file, not a picture. {EXPORT}"
    return f"This is no kind of picture that is read: DICOM, PNG, JPEG, TIFF, BMP, WebP, GIF or NIfTI. {EXPORT}"
