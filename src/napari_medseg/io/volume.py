"""The one way in for images: any readable file or folder, checked, with what was noticed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.errors import ReadError, guarded
from napari_medseg.io.findings import geometry_findings, value_findings
from napari_medseg.io.formats.dicom.headers import DICOM_SUFFIXES, holds_dicom, is_dicom
from napari_medseg.io.images import (
    IMAGE_SUFFIXES,
    ITK_SUFFIXES,
    NIFTI_SUFFIXES,
    TIFF_SUFFIXES,
    ImageFile,
    checked_suffix,
)

ZARR_SUFFIX = ".zarr"


def read_volume(
    path: str | os.PathLike[str],
    series: int | str | None = None,
    *,
    planes_if_uneven: bool = False,
) -> ImageFile:
    """Read an image as it is, with findings.

    Parameters
    ----------
    path : path-like
        A PNG, JPEG, BMP, TIFF, NIfTI, NRRD, MetaImage, DICOM or OME-Zarr file, or a folder of
        DICOM files.
    series : int or str, optional
        Which series of a DICOM folder: its number or its UID. Where there are several and none is
        named, the error lists them.
    planes_if_uneven : bool
        Whether a DICOM series with planes at uneven distances is given as a stack of planes
        without distances, with a finding; else it is refused.

    Returns
    -------
    ImageFile
        Lazy (dask) where it is an OME-Zarr or a very large DICOM series.

    Raises
    ------
    ReadError
        With one sentence that says what is wrong and what to do.
    """
    file = Path(path)
    if split_suffix(file.name)[1].lower() == ZARR_SUFFIX and file.is_dir():
        from napari_medseg.io.formats.zarr_images import read_zarr

        return checked(guarded(file, lambda: read_zarr(file)), file)
    if file.is_dir():
        return _dicom_folder(file, series, planes_if_uneven)
    if series is not None:
        raise ReadError(f"{file.name} is one file; a series is chosen in a folder.")
    if _is_dicom_file(file):
        return _dicom_file(file, planes_if_uneven)
    read = _reader(checked_suffix(file, IMAGE_SUFFIXES))
    return checked(guarded(file, lambda: read(file)), file)


def holds_image(folder: Path) -> bool:
    """Whether a folder is an image as a whole: an OME-Zarr, or DICOM files."""
    return folder.is_dir() and (folder.suffix.lower() == ZARR_SUFFIX or holds_dicom(folder))


def _is_dicom_file(file: Path) -> bool:
    suffix = split_suffix(file.name)[1].lower()
    if suffix in DICOM_SUFFIXES:
        checked_suffix(file, DICOM_SUFFIXES)
        return True
    return suffix not in IMAGE_SUFFIXES and is_dicom(file)


def _dicom_folder(folder: Path, series: int | str | None, planes_if_uneven: bool) -> ImageFile:
    from napari_medseg.io.formats.dicom.series import choose_series, refuse_damaged, scan_folder
    from napari_medseg.io.formats.dicom.volume import read_series

    def read() -> ImageFile:
        found = scan_folder(folder)
        if not found.series:
            raise ReadError(f"{folder.name} holds segmentations and no image.")
        chosen = choose_series(found.series, series, f"The folder {folder.name}")
        refuse_damaged(found, chosen)
        image = read_series(chosen, planes_if_uneven=planes_if_uneven)
        others = [damage.finding() for damage in found.damaged]
        return replace(image, findings=(*image.findings, *others))

    return checked(guarded(folder, read), folder)


def _dicom_file(file: Path, planes_if_uneven: bool) -> ImageFile:
    from napari_medseg.io.formats.dicom.series import series_of_file
    from napari_medseg.io.formats.dicom.volume import read_series

    def read() -> ImageFile:
        return read_series(series_of_file(file), planes_if_uneven=planes_if_uneven)

    return checked(guarded(file, read), file)


def checked(image: ImageFile, path: Path) -> ImageFile:
    """Add where an image came from, and the findings that any image can give rise to.

    Raises
    ------
    ReadError
        For complex numbers.
    """
    if image.data.dtype.kind == "c":
        raise ReadError(f"{path.name} holds complex numbers; save their magnitude and open that.")
    found = list(image.findings)
    known = {finding.code for finding in found}
    if not known & {"tilt", "uneven", "position unknown"}:
        found += [f for f in geometry_findings(image.geometry) if f.code not in known]
    if isinstance(image.data, np.ndarray):
        found += value_findings(image.data)
    source = {"path": str(path)} | dict(image.source)
    return replace(image, findings=tuple(found), source=source)


def _reader(suffix: str) -> Callable[[Path], ImageFile]:
    """Give the reader of a kind of file; its library is loaded only now."""
    if suffix in NIFTI_SUFFIXES:
        from napari_medseg.io.formats.nifti import read_nifti

        return read_nifti
    if suffix in ITK_SUFFIXES:
        from napari_medseg.io.formats.itk import read_itk

        return read_itk
    if suffix in TIFF_SUFFIXES:
        from napari_medseg.io.formats.tiff import read_tiff

        return read_tiff
    return _photo


def _photo(file: Path) -> ImageFile:
    from napari_medseg.io.formats.photos import read_photo

    return ImageFile(*read_photo(file), name=split_suffix(file.name)[0])
