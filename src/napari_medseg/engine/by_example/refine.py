"""Coarse to fine: look at the region found a second time, closer.

The net sees 128 x 128 pixels. What is small or thin in the image is smaller still there, so the
region that the first pass found is cropped from the full-resolution image, the examples are
cropped around their own masks in the same manner, and the net is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_medseg.engine.resample import Window, resize

Zoom = Literal["none", "crop", "tiles"]
"""How to look again: not at all, at the region found, or, where that fills the plane, in tiles."""

TILE_PART = 0.6
"""Length of a tile's sides as a part of the plane's."""

MARGIN = 0.3
"""Room around the region, as a part of its longer side, on either side."""

LARGEST_SHARE = 0.7
"""A region whose window covers more of the plane's area than this is not looked at again."""

SMALLEST_SIDE = 16
"""A window is never smaller than this many pixels; less detail than that cannot be shown."""


def window_around(region: NDArray[np.bool_], margin: float = MARGIN) -> Window | None:
    """Give the square window around a region, with room on every side, inside of the plane.

    Parameters
    ----------
    region : ndarray of bool, shape (H, W)
        What shall be in the middle.
    margin : float
        Room on either side as a part of the region's longer side.

    Returns
    -------
    Window or None
        None where the region is empty, or so large that a second look shows nothing new. At the
        border of narrow planes the window is cut to the plane and no longer square.
    """
    rows = np.flatnonzero(region.any(axis=1))
    columns = np.flatnonzero(region.any(axis=0))
    if rows.size == 0:
        return None
    height, width = region.shape
    longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    side = max(SMALLEST_SIDE, round(longest * (1 + 2 * margin)))
    top, bottom = _place((rows[0] + rows[-1] + 1) / 2, side, height)
    left, right = _place((columns[0] + columns[-1] + 1) / 2, side, width)
    window = Window(top, left, bottom, right)
    if window.shape[0] * window.shape[1] > LARGEST_SHARE * height * width:
        return None
    return window


def found_region(probability: NDArray[np.float32], threshold: float = 0.5) -> NDArray[np.bool_]:
    """Give where the first pass found something.

    Where nothing reaches the threshold, half of the highest probability counts, since the net may
    be shy about a small structure and still point at it. Crumbs of less than a tenth of the
    largest piece are left out, since one of them would blow up the window.

    Returns
    -------
    ndarray of bool
        Empty where the net found nothing at all (no probability above 0.05).
    """
    highest = float(probability.max(initial=0.0))
    if highest < 0.05:
        return np.zeros(probability.shape, bool)
    region = probability >= min(threshold, highest / 2)
    pieces, n_pieces = ndimage.label(region)
    sizes = np.bincount(pieces.ravel(), minlength=n_pieces + 1)
    sizes[0] = 0
    return (sizes >= 0.1 * sizes.max())[pieces] & region


def tile_windows(shape: tuple[int, int], part: float = TILE_PART) -> list[Window]:
    """Give four overlapping windows that cover a plane, `part` of its sides long."""
    sides = [max(1, round(part * length)) for length in shape]
    rows = sorted({0, shape[0] - sides[0]})
    columns = sorted({0, shape[1] - sides[1]})
    return [Window(top, left, top + sides[0], left + sides[1]) for top in rows for left in columns]


def closer_windows(zoom: Zoom, probability: NDArray[np.float32]) -> list[Window]:
    """Give where to look again after the first pass, by its probabilities (H, W)."""
    if zoom == "none":
        return []
    region = found_region(probability)
    if zoom == "crop":
        window = window_around(region)
        return [] if window is None else [window]
    return [tile for tile in tile_windows(region.shape) if region[tile.slices].any()]


def example_window(zoom: Zoom, mask: NDArray[np.bool_]) -> Window | None:
    """Give where an example is shown close up: around its mask, or the tile with most of it."""
    if zoom == "crop":
        return window_around(mask)
    return max(tile_windows(mask.shape), key=lambda tile: int(mask[tile.slices].sum()))


def blend_back(
    coarse: NDArray[np.float32],
    fine: Sequence[NDArray[np.float32]],
    windows: Sequence[Window],
) -> NDArray[np.float32]:
    """Put the answers of the second pass into the first, fading along the edges of their windows.

    Parameters
    ----------
    coarse : ndarray of float32, shape (H, W)
        Probabilities of the first pass.
    fine : sequence of ndarray of float32, shape (n, n)
        Probabilities of the second pass, each over its window.
    windows : sequence of Window
        Where the second pass looked; they may overlap.

    Returns
    -------
    ndarray of float32, shape (H, W)
    """
    total = np.zeros_like(coarse)
    weights = np.zeros_like(coarse)
    for plane, window in zip(fine, windows, strict=True):
        weight = np.outer(
            _fade(window.top, window.bottom, coarse.shape[0]),
            _fade(window.left, window.right, coarse.shape[1]),
        ).astype(np.float32)
        total[window.slices] += weight * resize(plane, window.shape)
        weights[window.slices] += weight
    rest = np.clip(1.0 - weights, 0.0, 1.0)
    return np.clip((total + rest * coarse) / (weights + rest), 0.0, 1.0)


def _place(centre: float, side: int, length: int) -> tuple[int, int]:
    if side >= length:
        return 0, length
    start = int(np.clip(round(centre - side / 2), 0, length - side))
    return start, start + side


def _fade(start: int, stop: int, length: int, part: float = 0.125) -> NDArray[np.float64]:
    """Weights of the window along one axis; edges that are the plane's own do not fade."""
    position = np.arange(start, stop) + 0.5
    width = max(1.0, part * (stop - start))
    rising = np.ones(position.size) if start == 0 else (position - start) / width
    falling = np.ones(position.size) if stop == length else (stop - position) / width
    return np.clip(np.minimum(rising, falling), 0.0, 1.0)
