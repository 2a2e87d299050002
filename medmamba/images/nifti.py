"""One slice of a NIfTI-1 or NIfTI-2 volume (nifti.nimh.nih.gov), in plain NumPy.

The header is a fixed record, so this short reader stands in for nibabel, which opens files by name and reads whole
volumes. Slices are cut across the axis that lies closest to head-to-foot where the header tells the orientation, and
laid out as in radiology: the patient's right on the left of the screen, front on top. A volume of one slice is that
slice, whichever way it lies; head is on top, and front on the left of one from the side. Without an orientation the
slices are cut across the third axis, rows along the second, and the edges are unknown.
"""

import gzip
import io
import struct
import zlib

import numpy as np

from medmamba.errors import ImageError
from medmamba.images.geometry import edges, letters, square_pixels
from medmamba.images.limits import MAX_INFLATED, check_frame, check_size
from medmamba.images.picture import MedicalImage, Window, gaps, span

DAMAGED = "This NIfTI file is damaged or cut off. Export it again."
TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4"}
HEADER = {1: (348, 352), 2: (540, 544)}  # its length, and where voxels start if no offset is written
MILLIMETRES = {1: 1000.0, 3: 0.001}  # in a unit of length (metre, micrometre); 2 is the millimetre, 0 says nothing
# The screen by the world axis (right, front, up) that slices are cut across: those along columns and along rows.
PLANES = {0: (1, 2), 1: (0, 2), 2: (0, 1)}
# position and format of: dim, datatype, pixdim, vox_offset, slope, intercept, xyzt_units, cal_max, cal_min, qform,
# sform, quaternion b c d, first srow
FIELDS = {
    1: (
        (40, "8h"),
        (70, "h"),
        (76, "8f"),
        (108, "f"),
        (112, "ff"),
        (123, "B"),
        (124, "ff"),
        (252, "hh"),
        (256, "3f"),
        (280, "12f"),
    ),
    2: (
        (16, "8q"),
        (12, "h"),
        (104, "8d"),
        (168, "q"),
        (176, "dd"),
        (500, "i"),
        (192, "dd"),
        (344, "ii"),
        (352, "3d"),
        (400, "12d"),
    ),
}


def inflate(data: bytes) -> bytes:
    """A gzip file's contents, of all its members, refused over ``MAX_INFLATED`` before the memory is spent."""
    try:
        plain = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_INFLATED + 1)
    except (OSError, EOFError, zlib.error):
        raise ImageError("This compressed file is damaged or cut off. Copy or export it again.") from None
    if len(plain) > MAX_INFLATED:
        raise ImageError(f"This file unpacks to more than {MAX_INFLATED >> 20} MB. Export fewer slices of it.")
    return plain


def read(data: bytes, frame: int = 0) -> MedicalImage:
    """Reads slice ``frame`` (from 0, time points one after the other). Raises ``ImageError``."""
    version, order = _version(data)
    try:
        dims, (kind,), pixdim, (offset,), scaling, (units,), (cal_max, cal_min), forms, quaternion, srow = (
            struct.unpack_from(order + form, data, position) for position, form in FIELDS[version]
        )
    except struct.error:
        raise ImageError(DAMAGED) from None
    if kind not in TYPES:
        raise ImageError("This NIfTI file stores its values in a way that is not read. Save it with 16-bit integers.")
    length, first = HEADER[version]
    offset = offset or first
    if offset < length or not 2 <= dims[0] <= 7 or any(not 1 <= size <= 1 << 20 for size in dims[1 : dims[0] + 1]):
        raise ImageError(DAMAGED)
    shape = [*dims[1 : dims[0] + 1], 1, 1][: max(3, dims[0])]
    volume, times = shape[:3], int(np.prod([int(size) for size in shape[3:]], dtype=object))
    dtype = np.dtype(order + TYPES[kind])
    count = int(np.prod([int(size) for size in volume], dtype=object))
    if not offset <= len(data) or count * times * dtype.itemsize > len(data) - int(offset):
        raise ImageError("The file is shorter than its header says: it was cut off. Copy or export it again.")
    axes, flips, orientation = _layout(volume, pixdim, forms, quaternion, srow)
    slices = volume[axes[2]]
    check_frame(frame, slices * times)
    check_size(volume[axes[1]], volume[axes[0]])
    start = int(offset) + (frame // slices) * count * dtype.itemsize
    voxels = np.frombuffer(data, dtype, count, start).reshape(volume, order="F")
    index = frame % slices
    plane = np.take(voxels, slices - 1 - index if flips[2] else index, axis=axes[2])
    plane = plane.T if axes[0] < axes[1] else plane
    plane = plane[:: -1 if flips[1] else 1, :: -1 if flips[0] else 1]
    steps = [pixdim[1 + axis] * MILLIMETRES.get(units & 7, 1.0) for axis in axes]
    return _image(plane, scaling, (cal_min, cal_max), frame, slices * times, orientation, steps)


def _image(
    plane: np.ndarray,
    scaling: tuple[float, float],
    calibrated: tuple[float, float],
    frame: int,
    frames: int,
    orientation: tuple[str, str, str, str] | None,
    steps: list[float],
) -> MedicalImage:
    """Scales one plane (rows, columns) and describes it."""
    slope, intercept = scaling
    warnings = [f"Slice {frame + 1} of {frames}."] if frames > 1 else []
    values = plane.astype(plane.dtype.newbyteorder("="))
    if np.isfinite([slope, intercept]).all() and slope != 0 and (slope, intercept) != (1.0, 0.0):
        with np.errstate(over="ignore", invalid="ignore"):
            values = (values.astype(np.float64) * slope + intercept).astype(np.float32)
    elif values.dtype == np.float64:
        with np.errstate(over="ignore"):
            values = values.astype(np.float32)
    low, high = calibrated
    window = Window((low + high) / 2, high - low, "LINEAR_EXACT") if np.isfinite(high - low) and high > low else None
    if window is None:
        warnings.append("The file names no window: its darkest value is drawn black and its brightest white.")
    if orientation is None:
        warnings.append("The file does not say how the patient lies: left and right are unknown.")
    spacing = (float(steps[1]), float(steps[0])) if min(steps[:2]) > 0 and np.isfinite(steps[:2]).all() else None
    image = MedicalImage(
        np.ascontiguousarray(values),
        window=window,
        windows=(window,) if window else (),
        value_range=span(values),
        frame=frame,
        frames=frames,
        pixel_spacing=spacing,
        orientation=orientation,
        kind="NIfTI",
        warnings=(*warnings, *gaps(values)),
        tags={"Rows": str(values.shape[0]), "Columns": str(values.shape[1])},
    )
    return square_pixels(image, spacing[0] / spacing[1] if spacing else 1.0)


def _version(data: bytes) -> tuple[int, str]:
    """NIfTI version and byte order, by the size of the header in its first field; refuses a header alone."""
    if data[344:348] == b"ni1\0" or data[4:8] == b"ni2\0":
        raise ImageError("This is the header of a NIfTI pair, without its pictures. Save it as one .nii file.")
    for order in "<>":
        for size, version in ((348, 1), (540, 2)):
            if data[:4] == struct.pack(f"{order}i", size):
                return version, order
    raise ImageError(DAMAGED)


def _layout(
    volume: list[int],
    pixdim: tuple[float, ...],
    forms: tuple[int, int],
    quaternion: tuple[float, ...],
    srow: tuple[float, ...],
) -> tuple[tuple[int, int, int], tuple[bool, bool, bool], tuple[str, str, str, str] | None]:
    """Which voxel axes run along columns, rows and slices, which are reversed, and the letters at the edges."""
    columns = _directions(pixdim, forms, quaternion, srow)
    if columns is None:
        return (0, 1, 2), (False, False, False), None
    up = int(np.argmax(abs(columns[2])))  # first, as slices are cut across it
    one, other = (axis for axis in range(3) if axis != up)
    if abs(columns[0, other] * columns[1, one]) > abs(columns[0, one] * columns[1, other]):
        one, other = other, one
    axes = [one, other, up]
    signs = [columns[world, axis] > 0 for world, axis in enumerate(axes)]
    flat = [world for world in range(3) if volume[axes[world]] == 1]
    across = flat[0] if len(flat) == 1 else 2
    along, down = PLANES[across]
    # World axes point right, front and up; the screen runs from right to left, from front to back, from head to foot.
    flips = (bool(signs[along]), bool(signs[down]), not signs[across])
    right, bottom = (
        letters((columns[:, axes[world]] * (1 if signs[world] else -1) * (1, 1, -1)).tolist())
        for world in (along, down)
    )
    return (axes[along], axes[down], axes[across]), flips, edges(right, bottom)


def _directions(
    pixdim: tuple[float, ...], forms: tuple[int, int], quaternion: tuple[float, ...], srow: tuple[float, ...]
) -> np.ndarray | None:
    """(3, 3): the direction of each voxel axis in the world, from the sform or else the qform; None without either."""
    if forms[1] > 0:
        matrix = np.array(srow, dtype=np.float64).reshape(3, 4)[:, :3]
    elif forms[0] > 0:
        b, c, d = (float(part) for part in quaternion)
        a = np.sqrt(max(0.0, 1.0 - b * b - c * c - d * d))
        matrix = np.array(
            [
                [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
                [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
                [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
            ]
        )
        matrix[:, 2] *= -1.0 if pixdim[0] < 0 else 1.0
    else:
        return None
    lengths = np.linalg.norm(matrix, axis=0) if np.isfinite(matrix).all() else np.zeros(3)
    return matrix / lengths if np.isfinite(lengths).all() and (lengths > 0).all() else None
