"""Copies of labels that cannot be edited where they are."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.results import Progress
from napari_medseg.session.layers.stack import full_resolution

if TYPE_CHECKING:
    from napari.layers import Labels


def copy_job(layer: Labels) -> Generator[Progress, None, NDArray[np.integer]]:
    """Copy labels that cannot be edited into an array that can; returns the array.

    Labels at several resolutions are copied at the finest one.
    """
    data = full_resolution(layer)
    copy = np.empty(data.shape, data.dtype)
    if copy.ndim < 3:
        yield Progress(0, 1, "Copying the labels")
        copy[...] = np.asarray(data)
        return copy
    for index in range(len(copy)):
        yield Progress(index, len(copy), "Copying the labels")
        copy[index] = np.asarray(data[index])
    return copy
