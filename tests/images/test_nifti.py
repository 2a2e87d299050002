"""NIfTI slices against nibabel's layout of the same volume, where nibabel is installed, and against known answers."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medmamba.errors import ImageError
from medmamba.images import read
from medmamba.images.fuzz_seeds import dicom, nifti
from medmamba.images.picture import MedicalImage, Window

VOLUME = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
RAS = np.eye(4)


def load(data: bytes, frame: int = 0) -> MedicalImage:
    return read(data, frame=frame, guarded=False)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_axial_slice_lies_as_in_radiology(pack: type) -> None:
    image = load(pack(nifti(VOLUME, affine=RAS)), 2)
    # x runs to the patient's right and y to the front: columns and rows are both reversed
    np.testing.assert_array_equal(image.pixels, VOLUME[::-1, ::-1, 2].T)
    assert image.orientation == ("R", "L", "A", "P")
    assert (image.frame, image.frames, image.kind) == (2, 6, "NIfTI")
    assert "Slice 3 of 6." in image.warnings


@settings(max_examples=40, deadline=None)
@given(order=st.permutations([0, 1, 2]), flips=st.tuples(*[st.booleans()] * 3))
def test_every_orientation_shows_the_same_patient(order: list[int], flips: tuple[bool, ...]) -> None:
    """The same patient stored with its axes in any order and direction gives the same slice."""
    stored, affine = VOLUME.transpose(order), np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, world in enumerate(order):
        affine[world, axis] = -1 if flips[axis] else 1
        stored = np.flip(stored, axis) if flips[axis] else stored
    np.testing.assert_array_equal(load(nifti(stored, affine=affine), 1).pixels, VOLUME[::-1, ::-1, 1].T)


@settings(max_examples=40, deadline=None)
@given(world=st.sampled_from([0, 1, 2]), order=st.permutations([0, 1, 2]), flips=st.tuples(*[st.booleans()] * 3))
def test_a_single_slice_is_shown_whichever_way_it_lies(world: int, order: list[int], flips: tuple[bool, ...]) -> None:
    patient = VOLUME.take([1], axis=world)  # right, front and up
    stored, affine = patient.transpose(order), np.zeros((4, 4))
    affine[3, 3] = 1
    for axis, along in enumerate(order):
        affine[along, axis] = -1 if flips[axis] else 1
        stored = np.flip(stored, axis) if flips[axis] else stored
    image = load(nifti(stored, affine=affine))
    edges, shown = [
        ("APHF", patient[0, ::-1, ::-1].T), ("RLHF", patient[::-1, 0, ::-1].T), ("RLAP", patient[::-1, ::-1, 0].T)
    ][world]  # fmt: skip
    np.testing.assert_array_equal(image.pixels, shown)
    assert (image.orientation, image.frames) == (tuple(edges), 1)


def turned(degrees: float, first: int, second: int) -> np.ndarray:
    """An affine matrix that turns by an angle from one world axis to another."""
    matrix, angle = np.eye(4), np.radians(degrees)
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def test_oblique_slices_are_cut_across_the_axis_nearest_to_head_to_foot() -> None:
    matrix = turned(38, 1, 2) @ turned(45, 0, 1)  # the heart's short axis, turned within its plane
    assert abs(matrix[2, :3]).argmax() == 2
    assert load(nifti(VOLUME, affine=matrix)).frames == VOLUME.shape[2]


@pytest.mark.parametrize("degrees", [0, 10, 30, 44])
def test_oblique_edges_have_a_second_letter_as_those_of_dicom(degrees: float) -> None:
    image = load(nifti(VOLUME, affine=turned(degrees, 0, 1)))
    right, down = -turned(degrees, 0, 1)[:3, 0], -turned(degrees, 0, 1)[:3, 1]
    cosines = np.concatenate([right * (-1, -1, 1), down * (-1, -1, 1)])  # DICOM's x runs to the left, its y to the back
    ct = dicom(VOLUME[:, :, 0], ImageOrientationPatient=[f"{part:.6f}" for part in cosines])
    assert image.orientation == load(ct).orientation
    assert len(image.orientation or "") == 4
    assert len((image.orientation or ("",))[0]) == (1 if degrees < 15 else 2)


@pytest.mark.parametrize(("unit", "millimetres"), [(0, 1), (1, 1000), (2, 1), (3, 0.001), (2 + 8, 1), (3 + 16, 0.001)])
def test_spacing_is_in_millimetres_whatever_the_headers_unit(unit: int, millimetres: float) -> None:
    data = bytearray(nifti(VOLUME))
    data[123] = unit  # of length in the lower three bits, of time above them
    assert load(bytes(data)).pixel_spacing == (millimetres, millimetres)


def test_without_an_orientation_the_edges_are_unknown() -> None:
    image = load(nifti(VOLUME))
    assert image.orientation is None
    np.testing.assert_array_equal(image.pixels, VOLUME[:, :, 0].T)
    assert any("unknown" in warning for warning in image.warnings)


def test_the_quaternion_is_read_as_the_matrix() -> None:
    data = bytearray(nifti(VOLUME))
    struct.pack_into("<h", data, 252, 1)  # identity rotation
    np.testing.assert_array_equal(load(bytes(data)).pixels, load(nifti(VOLUME, affine=RAS)).pixels)


def test_scaling_window_and_time() -> None:
    movie = np.stack([VOLUME, VOLUME + 1000], axis=3)
    data = bytearray(nifti(movie, scaling=(2, -10)))
    struct.pack_into("<ff", data, 124, 300, 100)
    image = load(bytes(data), 6)
    assert image.frames == 12
    np.testing.assert_array_equal(image.pixels, (VOLUME[:, :, 0].T + 1000) * 2.0 - 10)
    assert image.window == Window(200, 200, "LINEAR_EXACT")


def test_both_byte_orders_and_both_versions() -> None:
    header = bytearray(nifti(VOLUME.astype(np.uint8), affine=RAS))
    second = bytearray(544)
    struct.pack_into("<i8s", second, 0, 540, b"n+2\0\r\n\x1a\n")
    struct.pack_into("<hh8q", second, 12, 2, 8, 3, 4, 5, 6, 1, 1, 1, 1)
    struct.pack_into("<8d", second, 104, *[1.0] * 8)
    struct.pack_into("<q", second, 168, 544)
    struct.pack_into("<ii", second, 344, 0, 1)
    struct.pack_into("<12d", second, 400, *np.eye(4)[:3].ravel())
    newer = bytes(second) + VOLUME.astype(np.uint8).tobytes(order="F")
    np.testing.assert_array_equal(load(newer).pixels, load(bytes(header)).pixels)
    swapped = bytearray(352)
    for at, layout in ((0, "i"), (40, "8h"), (70, "hh"), (76, "8f"), (108, "3f"), (252, "hh"), (280, "12f")):
        struct.pack_into(f">{layout}", swapped, at, *struct.unpack_from(f"<{layout}", header, at))
    swapped[344:348] = b"n+1\0"
    np.testing.assert_array_equal(load(bytes(swapped + header[352:])).pixels, load(bytes(header)).pixels)


@pytest.mark.parametrize(("version", "first"), [(1, 352), (2, 544)])
def test_no_offset_means_behind_the_header_and_none_lies_in_it(version: int, first: int) -> None:
    voxels = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64, 1)
    data = bytearray(nifti(voxels))
    at, layout = (108, "<f") if version == 1 else (168, "<q")
    if version == 2:
        data[:352] = bytes(544)
        struct.pack_into("<i8shh8q", data, 0, 540, b"n+2\0\r\n\x1a\n", 2, 8, 3, 64, 64, 1, 1, 1, 1, 1)
    for offset in (0, first):
        struct.pack_into(layout, data, at, offset)
        np.testing.assert_array_equal(load(bytes(data)).pixels, voxels[:, :, 0].T)
    for offset in (-1, 1, first - 5, first - 100):
        struct.pack_into(layout, data, at, offset)
        with pytest.raises(ImageError, match="damaged"):
            load(bytes(data))


def test_nibabel_agrees() -> None:
    nibabel = pytest.importorskip("nibabel")
    volume = nibabel.Nifti1Image.from_bytes(nifti(VOLUME, affine=np.diag([-1.0, 1, 1, 1])))
    canonical = nibabel.as_closest_canonical(volume).get_fdata()
    shown = load(nifti(VOLUME, affine=np.diag([-1.0, 1, 1, 1])), 3).pixels
    np.testing.assert_array_equal(shown, canonical[::-1, ::-1, 3].T)


@pytest.mark.parametrize(
    ("at", "layout", "value"), [(40, "h", 0), (42, "h", -4), (70, "h", 128), (108, "f", 1e9), (42, "h", 30_000)]
)
def test_a_header_that_does_not_fit_is_refused(at: int, layout: str, value: float) -> None:
    data = bytearray(nifti(VOLUME))
    struct.pack_into(f"<{layout}", data, at, value)
    with pytest.raises(ImageError):
        load(bytes(data))


def test_infinite_values_are_said() -> None:
    image = load(nifti(np.array([[[np.inf], [1]], [[2], [3]]], np.float32)))
    assert (image.display() == 0).all(2).sum() == 2, "the infinite value and the darkest"
    assert "Some values are not numbers and are drawn black." in image.warnings
    assert not any("not numbers" in warning for warning in load(nifti(VOLUME)).warnings)


def test_gzip_in_members_is_read_whole() -> None:
    plain = nifti(VOLUME, affine=RAS)
    packed = b"".join(gzip.compress(plain[start : start + 100]) for start in range(0, len(plain), 100))
    packed += gzip.compress(b"")  # as bgzip ends its files
    np.testing.assert_array_equal(load(packed, 2).pixels, load(plain, 2).pixels)
    with pytest.raises(ImageError, match="cut off"):
        load(packed[:-5])


def test_a_bomb_in_members_is_refused() -> None:
    with pytest.raises(ImageError, match="unpacks to more"):
        load(gzip.compress(bytes(30 << 20), 1) * 9)


def test_other_gzip_files_and_bombs_are_refused() -> None:
    with pytest.raises(ImageError, match="gzip"):
        load(gzip.compress(b"II*\0" + bytes(100)))
    with pytest.raises(ImageError, match="unpacks to more"):
        load(gzip.compress(bytes(300 << 20), 1))
    with pytest.raises(ImageError, match="cut off"):
        load(gzip.compress(nifti(VOLUME))[:-20])
