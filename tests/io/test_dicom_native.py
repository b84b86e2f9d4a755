"""Pixels that are read straight from the file are those that pydicom decodes, to the bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from napari_medseg.io.errors import ReadError
from napari_medseg.io.formats.dicom.frames import Frame, frames_of
from napari_medseg.io.formats.dicom.headers import quiet, read_header
from napari_medseg.io.formats.dicom.native import read_into
from napari_medseg.io.formats.dicom.pixels import all_stored_values
from napari_medseg.io.volume import read_volume

from .dicom_phantoms import block, changed, write_photo, write_series

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
GREY = np.zeros((5, 7), np.uint8)


def frame_of(file: Path) -> Frame:
    return frames_of(file, read_header(file))[0]


def save_as(found: pydicom.Dataset, file: Path, syntax: pydicom.uid.UID) -> None:
    """Write a file in another encoding; its pixels must have that already."""
    for _ in found.iterall():  # pydicom writes bytes as they are where it has not looked at them
        pass
    found.file_meta.TransferSyntaxUID = syntax
    encoding = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    pydicom.dcmwrite(file, found, force_encoding=True, **encoding)


@settings(max_examples=30, deadline=None)
@given(
    allocated=st.sampled_from([8, 16, 32]),
    unused=st.integers(0, 7),
    signed=st.booleans(),
    syntax=st.sampled_from(SYNTAXES),
    seed=st.integers(0, 99),
)
def test_every_way_of_storing_numbers(tmp_path_factory, allocated, unused, signed, syntax, seed):
    folder = tmp_path_factory.mktemp("native")
    dtype = np.dtype(f"{'<' if syntax.is_little_endian else '>'}u{allocated // 8}")
    rng = np.random.default_rng(seed)
    files = [write_photo(folder / name, GREY, "MONOCHROME2") for name in ("a.dcm", "b.dcm")]
    for file in files:
        found = pydicom.dcmread(file)
        found.BitsAllocated, found.PixelRepresentation = allocated, int(signed)
        found.BitsStored, found.HighBit = allocated - unused, allocated - unused - 1
        found.PixelData = rng.integers(0, 2**allocated, (5, 7), np.uint64).astype(dtype).tobytes()
        found.PixelData += b"\0" * (len(found.PixelData) % 2)
        found["PixelData"].VR = "OW"
        save_as(found, file, syntax)
    stored = all_stored_values([frame_of(file) for file in files])
    np.testing.assert_array_equal(stored, [pydicom.dcmread(file).pixel_array for file in files])
    assert stored.dtype.kind == ("i" if signed else "u")


def test_files_of_pydicom_are_read_as_pydicom_reads_them():
    taken = 0
    for file in sorted((Path(pydicom.__file__).parent / "data").rglob("*.dcm")):
        try:
            frame = frame_of(file)
        except ReadError:
            continue
        if frame.header.file_meta.get("TransferSyntaxUID", ImplicitVRLittleEndian).is_encapsulated:
            continue
        with quiet():
            expected = pydicom.dcmread(file).pixel_array
        plane = np.empty_like(expected)
        if read_into(frame, plane):
            np.testing.assert_array_equal(plane, expected)
            taken += 1
    assert taken > 10


def test_planes_of_one_series_may_be_stored_in_different_ways(tmp_path):
    phantom = write_series(tmp_path / "a", stored=block((4, 36, 40)))
    big = pydicom.dcmread(phantom.files[1])
    big.PixelData = big.pixel_array.astype(">i2").tobytes()
    save_as(big, phantom.files[1], ExplicitVRBigEndian)
    packed = pydicom.dcmread(phantom.files[2])
    packed.compress(pydicom.uid.RLELossless)
    packed.save_as(phantom.files[2])
    changed(phantom.files[3], PixelRepresentation=0)
    np.testing.assert_array_equal(read_volume(phantom.folder).data, phantom.values)


@pytest.mark.parametrize("name", ["Rows", "Columns"])
def test_a_frame_without_a_size_is_refused(tmp_path, name):
    phantom = write_series(tmp_path / "a")
    changed(phantom.files[0], **{name: 0})
    with pytest.raises(ReadError, match=r"Rows or Columns"):
        read_volume(phantom.folder)
