"""Probabilities in files: one channel per class, where the image lies."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_medseg.io.atomic import atomic_write
from napari_medseg.io.formats.tiff import write_ome
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.notes import HasDict, make_note


def write_probabilities(
    path: str | os.PathLike[str],
    probabilities: NDArray[np.float32],
    geometry: Geometry,
    provenance: HasDict | Mapping[str, Any] | None = None,
    class_names: Sequence[str] | None = None,
) -> Path:
    """Write probabilities as OME-TIFF of float32, each class a channel with its name.

    Parameters
    ----------
    path : path-like
        ``.ome.tif``.
    probabilities : ndarray of float32, shape (C, H, W) or (C, Z, H, W)
        Of each class but the background.
    geometry : Geometry
        Of the image; ``probabilities.ndim - 1`` axes.
    provenance : object with ``as_dict``, or mapping, optional
        What made them.
    class_names : sequence of str, optional
        Name of each index from the background on.

    Returns
    -------
    Path
        Where the file is; it was read back and compared.

    Raises
    ------
    SaveError
        Where the file could not be saved.
    """
    axes = "CZYX" if probabilities.ndim == 4 else "CYX"
    note = make_note(geometry, provenance, class_names)
    channels = list(class_names or ())[1:]

    def write(temporary: Path) -> None:
        pixels = probabilities.astype(np.float32, copy=False)
        write_ome(temporary, pixels, axes, geometry, note, channels)

    def verify(temporary: Path) -> None:
        found = tifffile.imread(temporary).reshape(probabilities.shape)
        if not np.array_equal(found, probabilities):
            raise ValueError("the probabilities in the file differ from those to be saved.")

    return atomic_write(path, write, verify)
