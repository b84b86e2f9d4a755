"""Overlapping tiles over a plane of any size, blended with Gaussian weights in bounded memory.

Positions and weights are those of MONAI's sliding window (Cardoso et al., "MONAI: An open-source
framework for deep learning in healthcare", 2022), so that results agree with it. Unlike there, only
one row of tiles is ever kept: what no later tile reaches is handed over at once.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIGMA = 0.125
"""Standard deviation of the weights as a part of a tile's side."""


def tile_starts(length: int, tile: int, overlap: float) -> list[int]:
    """Give where the tiles along an axis begin; the last one ends with the axis.

    Parameters
    ----------
    length, tile : int
        Pixels of the axis and of a tile.
    overlap : float
        Part of a tile shared with the next, in [0, 1).
    """
    if length <= tile:
        return [0]
    step = max(1, int(tile * (1 - overlap)))
    count = -(-(length - tile) // step) + 1
    return [min(number * step, length - tile) for number in range(count)]


@lru_cache(maxsize=8)
def gaussian_weights(tile: tuple[int, int]) -> NDArray[np.float32]:
    """Give the weight of each pixel of a tile, 1 in the middle; never below a thousandth."""
    rows, columns = (_bell(side) for side in tile)
    weights: NDArray[np.float32] = np.maximum(np.outer(rows, columns), 1e-3).astype(np.float32)
    weights.flags.writeable = False
    return weights


class RowBlender:
    """Blends tiles from top to bottom, keeping one row of tiles.

    Parameters
    ----------
    shape : tuple of int
        Height and width of the plane, at least those of a tile.
    tile : tuple of int
        Height and width of a tile.
    overlap : float
        Part of a tile shared with the next.
    channels : int
        Maps in a tile.

    Notes
    -----
    For each row number, `add` every tile of it, then take what is finished with `finish_row`.
    """

    def __init__(
        self, shape: tuple[int, int], tile: tuple[int, int], overlap: float, channels: int
    ) -> None:
        self.tile = tile
        self.tops = tile_starts(shape[0], tile[0], overlap)
        self.lefts = tile_starts(shape[1], tile[1], overlap)
        self._ends = [*self.tops[1:], shape[0]]
        self._sums = np.zeros((channels, tile[0], shape[1]), np.float32)
        self._weights = np.zeros((tile[0], shape[1]), np.float32)

    def add(self, left: int, answer: NDArray[np.float32]) -> None:
        """Add the answer (channels, *tile) for the tile of the present row that begins at left."""
        weights = gaussian_weights(self.tile)
        columns = slice(left, left + self.tile[1])
        self._sums[:, :, columns] += answer * weights
        self._weights[:, columns] += weights

    def finish_row(self, number: int) -> NDArray[np.float32]:
        """Give the rows (channels, n, W) that are finished with this row of tiles.

        They begin at ``tops[number]`` and end where the next row of tiles begins.
        """
        n = self._ends[number] - self.tops[number]
        finished: NDArray[np.float32] = self._sums[:, :n] / self._weights[:n]
        for kept in (self._sums, self._weights[None]):
            rest = kept[:, n:].copy()
            kept[:, : rest.shape[1]] = rest
            kept[:, rest.shape[1] :] = 0.0
        return finished


def _bell(side: int) -> NDArray[np.float64]:
    position = np.arange(side) - (side - 1) / 2
    return np.exp(-(position**2) / (2 * (SIGMA * side) ** 2))
