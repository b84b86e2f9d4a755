"""Take one cluster, or one connected piece of it, out of a label map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


def pick_cluster(
    labels: NDArray[np.integer[Any]], row: int, column: int, *, piece: bool = False
) -> NDArray[np.bool_]:
    """Give where a plane has the label that it has at one pixel.

    Parameters
    ----------
    labels : ndarray of integers, shape (H, W)
        A plane of a label map; 0 is nothing.
    row, column : int
        The pixel.
    piece : bool
        Take what hangs together with the pixel, over corners too, not the label everywhere.

    Returns
    -------
    ndarray of bool, shape (H, W)
        All False where there is no label at the pixel, or the pixel lies outside.
    """
    inside = all(0 <= i < n for i, n in zip((row, column), labels.shape, strict=True))
    number = int(labels[row, column]) if inside else 0
    if number == 0:
        return np.zeros(labels.shape, bool)
    mask: NDArray[np.bool_] = labels == number
    if piece:
        pieces, _ = ndimage.label(mask, structure=_EIGHT_NEIGHBOURS)
        mask = pieces == pieces[row, column]
    return mask
