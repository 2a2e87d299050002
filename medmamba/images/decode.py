"""Bytes to ``MedicalImage`` in this process: the kind told by content, then the reader for it.

``medmamba.images.read`` is the door; it runs this in the guarded worker, or here for data that is trusted.
"""

import threading
import warnings

from medmamba.errors import ImageError
from medmamba.images import dicom, nifti, raster
from medmamba.images.limits import check_bytes
from medmamba.images.picture import MedicalImage
from medmamba.images.sniff import sniff

_filters = threading.Lock()  # warnings.catch_warnings changes the filters of the whole process


def decode(data: bytes, frame: int = 0) -> MedicalImage:
    """Decodes one frame.

    Raises:
        ImageError: the bytes cannot be read or are no picture. Anything else that escapes is a fault of ours.
    """
    check_bytes(len(data))
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries quote the file
        try:
            kind = sniff(data)
            if kind == "gzip":
                data = nifti.inflate(data)
                check_bytes(min(len(data), 1))
                kind = sniff(data)
                if kind != "NIfTI":
                    raise ImageError("This is a compressed file (gzip). Unpack it and choose one picture.")
            if kind == "DICOM":
                return dicom.read(data, frame)
            if kind == "NIfTI":
                return nifti.read(data, frame)
            return raster.read(data, kind, frame)
        except MemoryError:
            raise ImageError("The picture needs more memory than it is given. Export it smaller.") from None
