"""Colour images as one channel, for nets and methods that see no colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Brightness of red, green and blue (ITU-R BT.601), as in the published preprocessing."""


@dataclass(frozen=True)
class Projection:
    """A linear map of colours to [0, 1]: ``clip(rgb @ weights + offset, 0, 1)``."""

    weights: tuple[float, float, float] = GREY_WEIGHTS
    offset: float = 0.0

    def __call__(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the one channel of a plane (..., 3); a grey plane (H, W) is given back as it is."""
        if plane.ndim == 2:
            return plane
        values = plane @ np.asarray(self.weights, np.float32) + np.float32(self.offset)
        return np.clip(values, 0.0, 1.0)


GREY = Projection()
