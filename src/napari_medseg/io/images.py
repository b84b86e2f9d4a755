"""Images from files: planes and volumes, with where they lie in space."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.errors import ReadError
from napari_medseg.io.findings import Finding
from napari_medseg.io.geometry import Geometry

PHOTO_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
TIFF_SUFFIXES = (".tif", ".tiff", ".ome.tif", ".ome.tiff")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".nrrd", ".seg.nrrd", ".nhdr", ".mha", ".mhd")
IMAGE_SUFFIXES = PHOTO_SUFFIXES + TIFF_SUFFIXES + NIFTI_SUFFIXES + ITK_SUFFIXES


@dataclass(frozen=True)
class ImageFile:
    """An image as it was in its file.

    Parameters
    ----------
    data : ndarray, or dask array for very large images
        (H, W), (H, W, 3|4), (Z, H, W), (Z, H, W, 3|4); with further leading axes where `axes`
        names them. Values as stored, rescaled where the file says how.
    geometry : Geometry
        Of the spatial axes of `data`, 2 or 3 of them.
    rgb : bool
        Whether the last axis is colour.
    name : str
        What it may be called on the screen: the file name without its suffix; for DICOM modality,
        body part and series number.
    findings : tuple of Finding
        What the person who opens it must know.
    axes : tuple of str
        Name of each axis of `data` but colour; the last of ``("z", "y", "x")`` by default.
    window : tuple of float, optional
        Values between which it is to be shown, where the file says so.
    value_unit : str
        What the values are, such as ``"HU"``; empty where that is not known.
    negative : bool
        Whether low values are meant to be shown bright.
    step : tuple of (float, str)
        Distance along the leading axis that is not of space, and its unit.
    levels : tuple of arrays
        The same image ever coarser, after `data`; for multiscale files.
    source : mapping
        How to find it again: ``"kind"``; for DICOM ``"series"`` and
        ``"frame_of_reference"``, the UIDs, ``"planes"``, file and frame number of each plane,
        ``"corners"``, the position of the first pixel of each in mm (up, front, right), and
        ``"turn"``, the directions of rows and columns.
    """

    data: Any
    geometry: Geometry
    rgb: bool
    name: str
    findings: tuple[Finding, ...] = ()
    axes: tuple[str, ...] = ()
    window: tuple[float, float] | None = None
    value_unit: str = ""
    negative: bool = False
    step: tuple[float, str] = (1.0, "pixel")
    levels: tuple[Any, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.axes:
            object.__setattr__(self, "axes", ("t", "z", "y", "x")[-self.n_axes :])

    @property
    def n_axes(self) -> int:
        """How many axes there are but colour."""
        return int(self.data.ndim) - self.rgb

    @property
    def sizes(self) -> str:
        """The axes and their sizes in words, for messages."""
        sizes = " × ".join(str(n) for n in self.data.shape[: self.n_axes])
        return f"{self.n_axes} axes ({', '.join(self.axes)}) of sizes {sizes}"


def read_image(path: str | os.PathLike[str], series: int | str | None = None) -> ImageFile:
    """Read a plane or a volume into memory, as a method wants it.

    Values stay as stored, with these exceptions: 1-bit images become 0 and 255; palette images
    become what the palette shows (grey where it is grey); CMYK, YCbCr and Lab become RGB without a
    colour profile; grey with transparency drops the transparency; a photo is turned the way its
    EXIF entry says; a PNG with 16 bits per colour channel is read with 8; DICOM and NIfTI are
    rescaled as they say. Spacing comes from TIFF (OME, ImageJ and resolution entries), NIfTI,
    NRRD, MetaImage, OME-Zarr and DICOM; the print resolution of a photo is no spacing.

    Parameters
    ----------
    path : path-like
        A PNG, JPEG, BMP, TIFF, NIfTI, NRRD, MetaImage, DICOM or OME-Zarr file, or a folder of
        DICOM files.
    series : int or str, optional
        Which series of a folder: its number or its UID. Where there are several and none is named,
        the error lists them with their numbers.

    Raises
    ------
    ReadError
        With one sentence, for a missing, empty, cut, foreign or unreadable file, for one with
        more axes than a volume has, and for a DICOM series that is no volume.
    """
    from napari_medseg.io.volume import read_volume

    image = read_volume(path, series)
    if image.n_axes > image.geometry.ndim:
        raise ReadError(
            f"{Path(path).name} has {image.sizes}; save one time point or one channel of it and "
            "open that."
        )
    return replace(image, data=np.asarray(image.data), levels=())


def checked_suffix(file: Path, known: tuple[str, ...]) -> str:
    """Give the lower-case suffix of a file that exists, holds something and is of a known kind.

    Raises
    ------
    ReadError
        With one sentence, where it is not so.
    """
    if file.is_dir():
        raise ReadError(f"{file} is a folder; give the files in it.")
    if not file.exists():
        raise ReadError(f"{file} does not exist; check the name.")
    suffix = split_suffix(file.name)[1].lower()
    if suffix not in known:
        raise ReadError(
            f"{file.name} is of a kind that cannot be read here; readable are {', '.join(known)}, "
            "DICOM and OME-Zarr."
        )
    if file.stat().st_size == 0:
        raise ReadError(f"{file.name} is empty (0 bytes); get the file again from where it came.")
    return suffix
