"""Opening a DICOM series: all we do against pydicom's decoding of the pixels alone.

    python benchmarks/bench_dicom.py            # 300 slices of 512 x 512, uncompressed and RLE
    python benchmarks/bench_dicom.py --quick    # 60 slices, each timed twice

The reference is ``pydicom.dcmread(file).pixel_array`` for each file, put into one array: what a
script needs to have the stored pixels, in the order of the names. The candidate is `read_volume`:
it finds the files, reads every header, sorts by position, checks spacing, tilt, copies and cut
files, decodes, and gives Hounsfield units with where they lie. The second line compares with
``pydicom.pixels.pixel_array``, which reads only the entries that decoding needs, and keeps no
header, so that nothing could be sorted or checked.

The files are in the cache of the system before anything is timed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import timing  # isort: skip  (first, for what it says about threads)

import numpy as np
import pydicom
from pydicom.pixels import pixel_array
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from napari_medseg.io.volume import read_volume

SLICES, SIDE = 300, 512
MOST = 1.5
"""How many times as long as the reference it may take."""


def write_series(folder: Path, count: int, syntax: UID) -> list[Path]:
    """Write a CT of smooth shapes with a little noise."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, generate_uid

    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    body = np.where(x**2 + y**2 < 0.6, 1064, 24).astype(np.int16)
    noise = np.random.default_rng(0).integers(-8, 8, (SIDE, SIDE), np.int16)
    series, files = generate_uid(), []
    for k in range(count):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = CTImageStorage
        meta.MediaStorageSOPInstanceUID = generate_uid()
        slice_ = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        slice_.SeriesInstanceUID, slice_.Modality, slice_.InstanceNumber = series, "CT", k + 1
        slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        slice_.ImagePositionPatient = [-180, -180, 1.25 * k]
        slice_.PixelSpacing, slice_.SliceThickness = [0.7, 0.7], 1.25
        slice_.RescaleSlope, slice_.RescaleIntercept = 1, -1024
        slice_.Rows = slice_.Columns = SIDE
        slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
        slice_.BitsAllocated = slice_.BitsStored = 16
        slice_.HighBit, slice_.PixelRepresentation = 15, 1
        slice_.PixelData = (body + np.roll(noise, k)).tobytes()
        if syntax != ExplicitVRLittleEndian:
            slice_.compress(syntax)
        files.append(folder / f"{k:04d}.dcm")
        slice_.save_as(files[-1], enforce_file_format=True)
    return files


def stacked(decode: Callable[[Path], np.ndarray], files: list[Path]) -> np.ndarray:
    """Decode all files into one array."""
    volume = np.empty((len(files), SIDE, SIDE), np.int16)
    for plane, file in zip(volume, files, strict=True):
        plane[...] = decode(file)
    return volume


def main() -> None:
    """Print the comparisons; the target of a candidate that may take longer is below 1."""
    quick = "--quick" in sys.argv
    count, repeats = (60, 2) if quick else (SLICES, 5)
    print(f"{count} slices of {SIDE} x {SIDE}, CPU time")
    for name, syntax in (("uncompressed", ExplicitVRLittleEndian), ("RLE", RLELossless)):
        with tempfile.TemporaryDirectory() as name_of_folder:
            folder = Path(name_of_folder)
            files = write_series(folder, count, syntax)
            whole = timing.alternate(
                lambda files=files: stacked(lambda f: pydicom.dcmread(f).pixel_array, files),
                lambda folder=folder: read_volume(folder),
                repeats=repeats,
            )
            timing.print_seconds(f"{name}: dcmread and pixel_array", whole, target=1 / MOST)
            bare = timing.alternate(
                lambda files=files: stacked(pixel_array, files),
                lambda folder=folder: read_volume(folder),
                repeats=repeats,
            )
            timing.print_seconds(f"{name}: pixel_array of the file alone", bare)


if __name__ == "__main__":
    main()
