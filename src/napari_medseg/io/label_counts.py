"""Which classes a label map holds, and how many voxels of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def counts_of(labels: NDArray[Any], check: Callable[[], None] = lambda: None) -> dict[int, int]:
    """Count the voxels of each class, plane by plane.

    Parameters
    ----------
    labels : ndarray of integers, shape (H, W) or (Z, H, W)
        Class index per pixel.
    check : callable
        Called before each plane, and may raise to give it up.

    Returns
    -------
    dict of int to int
        From class index, without 0, to voxels, in the order of the indices.
    """
    counts: Counter[int] = Counter()
    for plane in labels if labels.ndim == 3 else labels[None]:
        check()
        values, voxels = np.unique(plane, return_counts=True)
        counts.update(dict(zip(values.tolist(), voxels.tolist(), strict=True)))
    return {value: counts[value] for value in sorted(counts) if value}
