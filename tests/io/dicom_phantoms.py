"""Small DICOM files drawn from formulas: series in every pose, the faults they have, photos.

Each series carries the name of a patient, `PATIENT_NAME`, so that a test can look where it leaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import ArrayLike, NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    generate_uid,
)

PATIENT_NAME = "PLANTED^PATIENT"
PATIENT_ID = "PLANTED-4711"
SHAPE = (6, 12, 10)
SPACING = (2.5, 0.7, 0.8)
"""Distance of slices, of rows and of columns in mm."""

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
"""Directions in which columns and rows are counted, in DICOM's axes: left, back, up."""

COMPRESSIONS: dict[str, UID] = {
    "RLE": RLELossless,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
}


@dataclass(frozen=True)
class Phantom:
    """A series on disk and what is in it.

    Parameters
    ----------
    folder : Path
        Where the files are.
    files : list of Path
        In the order of the slices, from the first position along the normal on.
    values : ndarray of float64, shape (Z, Y, X)
        Rescaled values, in the order of `files`.
    """

    folder: Path
    files: list[Path]
    values: NDArray[np.float64]

    def position(self, index: ArrayLike) -> NDArray[np.float64]:
        """Give where the voxel (slice, row, column) lies, in mm to the left, back and up.

        Negative indices count from the end.
        """
        slice_, row, column = np.asarray(index, int) % self.values.shape
        return patient_position(self.files[slice_], row, column)


def patient_position(file: Path, row: float, column: float) -> NDArray[np.float64]:
    """Give where a pixel lies by the formula of the standard (C.7.6.2.1.1), from its own header."""
    header = pydicom.dcmread(file, stop_before_pixels=True)
    pose = np.array(header.ImageOrientationPatient, float)
    between_rows, between_columns = map(float, header.PixelSpacing)
    corner = np.array(header.ImagePositionPatient, float)
    return corner + pose[:3] * between_columns * column + pose[3:] * between_rows * row


def rotated(degrees: Sequence[float] = (20.0, -15.0, 30.0)) -> tuple[tuple[float, ...], ...]:
    """Give the directions of an oblique series: axial, turned about the three axes in turn."""
    turn = np.eye(3)
    for axis, angle in enumerate(np.radians(degrees)):
        one, other = (a for a in range(3) if a != axis)
        step = np.eye(3)
        step[one, one] = step[other, other] = np.cos(angle)
        step[one, other], step[other, one] = -np.sin(angle), np.sin(angle)
        turn = step @ turn
    return tuple(turn[:, 0].tolist()), tuple(turn[:, 1].tolist())


def block(shape: tuple[int, int, int] = SHAPE) -> NDArray[np.int16]:
    """Give stored values that differ in every voxel, with one bright marker at (1, 2, 3)."""
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    values[1, 2, 3] = 3000
    return values


def write_series(
    folder: Path,
    *,
    stored: NDArray[Any] | None = None,
    directions: Sequence[Sequence[float]] = AXIAL,
    spacing: Sequence[float] = SPACING,
    corner: Sequence[float] = (-40.0, -30.0, 12.5),
    tilt: float = 0.0,
    slopes: Sequence[float] = (1.0,),
    intercepts: Sequence[float] = (-1024.0,),
    modality: str = "CT",
    number: int = 3,
    shuffled: bool = False,
    reversed_numbers: bool = False,
    compression: UID | None = None,
    **tags: Any,
) -> Phantom:
    """Write a series of one file per slice.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    stored : ndarray of int16 or uint16, shape (Z, Y, X), optional
        Stored values; `block` by default.
    directions : two vectors
        In which columns and rows are counted; slices follow along their cross product.
    spacing : three floats
        Of slices (along the normal), rows and columns in mm.
    corner : three floats
        Centre of the first voxel, in mm to the left, back and up.
    tilt : float
        Gantry tilt in degrees: each slice is shifted along the columns by its distance times the
        tangent.
    slopes, intercepts : sequences of float
        Rescale of each slice; repeated where there are fewer than slices.
    modality, number : str, int
        Modality and series number.
    shuffled : bool
        Whether file names say nothing of the order.
    reversed_numbers : bool
        Whether the instance numbers run against the normal.
    compression : UID, optional
        One of `COMPRESSIONS`.
    **tags
        Further attributes of every slice by keyword; None removes one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = block() if stored is None else stored
    across, down = np.array(directions, float)
    step = np.cross(across, down) + np.tan(np.radians(tilt)) * down
    count = len(stored)
    names = np.random.default_rng(0).permutation(count) if shuffled else np.arange(count)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    files, values = [], []
    for k, plane in enumerate(stored):
        slope, intercept = slopes[k % len(slopes)], intercepts[k % len(intercepts)]
        slice_ = _blank(CTImageStorage if modality == "CT" else MRImageStorage, modality)
        slice_.StudyInstanceUID, slice_.SeriesInstanceUID = study, series
        slice_.FrameOfReferenceUID = frame
        slice_.SeriesNumber = number
        slice_.InstanceNumber = count - k if reversed_numbers else k + 1
        position = np.array(corner) + k * spacing[0] * step
        slice_.ImagePositionPatient = [f"{value:.10g}" for value in position]
        slice_.ImageOrientationPatient = [f"{value:.10g}" for value in (*across, *down)]
        slice_.PixelSpacing = [spacing[1], spacing[2]]
        slice_.SliceThickness = spacing[0]
        slice_.RescaleSlope, slice_.RescaleIntercept = slope, intercept
        slice_.RescaleType = "HU"
        slice_.WindowCenter, slice_.WindowWidth = 40.0, 400.0
        _put_pixels(slice_, plane, compression)
        _set(slice_, tags)
        files.append(folder / f"{names[k]:03d}.dcm")
        slice_.save_as(files[-1], enforce_file_format=True)
        values.append(plane.astype(float) * slope + intercept)
    return Phantom(folder, files, np.array(values))


def write_enhanced(path: Path, series: Phantom) -> Path:
    """Write a CT series as one enhanced multi-frame file (legacy converted)."""
    import highdicom

    slices = [pydicom.dcmread(file) for file in series.files]
    for slice_ in slices:
        slice_.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image = highdicom.legacy.LegacyConvertedEnhancedCTImage(
        slices,
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
    )
    image.save_as(path)
    return path


def write_photo(
    path: Path,
    pixels: NDArray[Any],
    photometric: str = "RGB",
    compression: UID | None = None,
    **tags: Any,
) -> Path:
    """Write one picture as secondary capture.

    Parameters
    ----------
    path : Path
        The file.
    pixels : ndarray of uint8 or uint16, shape (H, W) or (H, W, 3)
        As stored; for ``YBR_FULL`` in that colour space already.
    photometric : str
        ``RGB``, ``YBR_FULL``, ``MONOCHROME1`` or ``MONOCHROME2``.
    compression : UID, optional
        One of `COMPRESSIONS`.
    **tags
        Further attributes by keyword; None removes one.
    """
    photo = _blank(SecondaryCaptureImageStorage, "XC" if pixels.ndim == 3 else "DX")
    photo.SeriesNumber, photo.InstanceNumber = 1, 1
    photo.ConversionType = "DV"
    _put_pixels(photo, pixels, None, photometric)
    _set(photo, tags)
    if compression is not None:
        photo.compress(compression)
    photo.save_as(path, enforce_file_format=True)
    return path


def changed(file: Path, **tags: Any) -> Path:
    """Set attributes of a file on disk; None removes one."""
    found = pydicom.dcmread(file)
    _set(found, tags)
    found.save_as(file)
    return file


def _set(found: Dataset, tags: dict[str, Any]) -> None:
    for keyword, value in tags.items():
        if value is not None:
            setattr(found, keyword, value)
        elif keyword in found:
            delattr(found, keyword)


def _blank(kind: UID, modality: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = generate_uid()
    found = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = kind, meta.MediaStorageSOPInstanceUID
    found.StudyInstanceUID, found.SeriesInstanceUID = generate_uid(), generate_uid()
    found.FrameOfReferenceUID = generate_uid()
    found.PatientName, found.PatientID = PATIENT_NAME, PATIENT_ID
    found.PatientBirthDate, found.PatientSex = "19700101", "O"
    found.StudyID, found.AccessionNumber, found.ReferringPhysicianName = "1", "", ""
    found.StudyDate = found.SeriesDate = found.ContentDate = "20200102"
    found.StudyTime = found.SeriesTime = found.ContentTime = "030405"
    found.AcquisitionDateTime = datetime(2020, 1, 2, 3, 4, 5).strftime("%Y%m%d%H%M%S")
    found.Modality, found.Manufacturer = modality, "Phantom"
    found.SeriesDescription = f"{modality} of {PATIENT_NAME.title()}"
    found.BodyPartExamined = "HEAD"
    found.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    found.PositionReferenceIndicator, found.PatientPosition = "", "HFS"
    return found


def _put_pixels(
    found: FileDataset,
    pixels: NDArray[Any],
    compression: UID | None,
    photometric: str = "MONOCHROME2",
) -> None:
    bits = 8 * pixels.dtype.itemsize
    found.Rows, found.Columns = pixels.shape[:2]
    found.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    if pixels.ndim == 3:
        found.PlanarConfiguration = 0
    found.PhotometricInterpretation = photometric
    found.BitsAllocated = found.BitsStored = bits
    found.HighBit = bits - 1
    found.PixelRepresentation = int(pixels.dtype.kind == "i")
    found.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    if compression is not None:
        found.compress(compression)
