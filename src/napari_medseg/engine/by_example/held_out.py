"""Which examples are held out, and how well they are found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def dice(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Give the Dice overlap of two masks; 1 where both are empty."""
    total = int(found.sum()) + int(truth.sum())
    return 2.0 * int((found & truth).sum()) / total if total else 1.0


def spread(length: int, most: int) -> list[int]:
    """Give at most so many indices, evenly spread."""
    return [int(i) for i in np.unique(np.linspace(0, length - 1, min(length, most)).round())]
