"""Images from files: planes and volumes, with where they lie in space."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.errors import ReadError, guarded
from napari_medseg.io.geometry import Geometry

PHOTO_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
TIFF_SUFFIXES = (".tif", ".tiff", ".ome.tif", ".ome.tiff")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
IMAGE_SUFFIXES = PHOTO_SUFFIXES + TIFF_SUFFIXES + NIFTI_SUFFIXES


@dataclass(frozen=True)
class ImageFile:
    """An image as it was in its file.

    Parameters
    ----------
    data : ndarray
        (H, W), (H, W, 3|4), (Z, H, W) or (Z, H, W, 3|4), values as stored.
    geometry : Geometry
        Of the spatial axes of `data`, 2 or 3 of them.
    rgb : bool
        Whether the last axis is colour.
    name : str
        File name without its suffix.
    """

    data: NDArray[Any]
    geometry: Geometry
    rgb: bool
    name: str


def read_image(path: str | os.PathLike[str]) -> ImageFile:
    """Read a PNG, JPEG, BMP, TIFF or NIfTI file.

    Values stay as stored, with these exceptions: 1-bit images become 0 and 255; palette images
    become what the palette shows (grey where it is grey); CMYK, YCbCr and Lab become RGB without a
    colour profile; grey with transparency drops the transparency; a photo is turned the way its
    EXIF entry says; a PNG with 16 bits per colour channel is read with 8. Spacing comes from TIFF
    (OME, ImageJ and resolution entries) and NIfTI; the print resolution of a photo is no spacing.

    Raises
    ------
    ReadError
        With one sentence, for a missing, empty, cut, foreign or unreadable file.
    """
    file = Path(path)
    read = _reader(checked_suffix(file, IMAGE_SUFFIXES))
    return ImageFile(*guarded(file, lambda: read(file)), name=split_suffix(file.name)[0])


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
            f"{file.name} is of a kind that cannot be read here; readable are {', '.join(known)}."
        )
    if file.stat().st_size == 0:
        raise ReadError(f"{file.name} is empty (0 bytes); get the file again from where it came.")
    return suffix


def _reader(suffix: str) -> Callable[[Path], tuple[NDArray[Any], Geometry, bool]]:
    """Give the reader of a kind of file; its library is loaded only now."""
    if suffix in NIFTI_SUFFIXES:
        from napari_medseg.io.nifti import read_nifti

        return read_nifti
    if suffix in TIFF_SUFFIXES:
        from napari_medseg.io.tiff import read_tiff

        return read_tiff
    from napari_medseg.io.photos import read_photo

    return read_photo
