"""Images as files of our own: to the bit what they were in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.atomic import atomic_write
from napari_medseg.io.formats.tiff import write_ome
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.notes import make_note


def write_image(
    path: str | os.PathLike[str], data: NDArray[Any], geometry: Geometry, rgb: bool = False
) -> Path:
    """Write an image as OME-TIFF, read it back as `read_image` does, and compare.

    Parameters
    ----------
    path : path-like
        ``.ome.tif``; a file of that name is replaced.
    data : ndarray, shape (H, W), (H, W, 3|4), (Z, H, W) or (Z, H, W, 3|4)
        Any bool, integer or float type that a TIFF can hold; bool becomes 0 and 1.
    geometry : Geometry
        Of its axes but colour.
    rgb : bool
        Whether the last axis is colour.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SaveError
        With one sentence, where it cannot be saved or does not read back.
    """
    stored = np.dtype(np.uint8) if data.dtype == bool else data.dtype.newbyteorder("=")
    pixels = np.ascontiguousarray(data, stored)
    axes = "ZYX"[-geometry.ndim :] + "S" * rgb

    def write(temporary: Path) -> None:
        write_ome(temporary, pixels, axes, geometry, make_note(geometry))

    def verify(temporary: Path) -> None:
        from napari_medseg.io.images import read_image

        found = read_image(temporary).data
        if found.dtype != pixels.dtype or not same_pixels(found, pixels):
            raise ValueError(f"a TIFF does not keep images of type {pixels.dtype} as they are.")

    return atomic_write(path, write, verify)


def same_pixels(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Say whether two images are equal, transparency apart; NaN equals NaN."""
    if first.ndim != second.ndim:
        return False
    if first.shape != second.shape and first.shape[-1] in (3, 4) and second.shape[-1] in (3, 4):
        first, second = first[..., :3], second[..., :3]
    return bool(np.array_equal(first, second, equal_nan=first.dtype.kind == "f"))
