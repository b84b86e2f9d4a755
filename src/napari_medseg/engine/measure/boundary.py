"""How long the outline of a region is, or how large its surface."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, SphericalVoronoi, distance

REACH = 2
"""How many pixels a step of a probing line goes along an axis at most."""


def boundary_size(mask: NDArray[np.bool_], spacing: Sequence[float]) -> float:
    """Give the perimeter (2-D) or surface area (3-D) of a mask by the Cauchy-Crofton formula.

    The size of a boundary is proportional to how often lines of all directions cross it. The
    lines run along the grid's directions, 8 in 2-D and 49 in 3-D, each weighted by the share of
    all directions that it stands for; in this way the estimate hardly depends on how the region
    is turned, unlike the sum of the pixels' sides. It is good to 1 or 2 % for round shapes; flat
    faces along the axes come out 3 % (2-D) to 7 % (3-D) too small. See Ohser and Mücklich,
    "Statistical Analysis of Microstructures in Materials Science", 2000, chapter 4.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W) or (Z, H, W)
        Beyond its border everything is outside.
    spacing : sequence of float
        Distance of neighbouring pixels along each axis.

    Returns
    -------
    float
        In the unit of the spacing, or its square in 3-D.
    """
    steps = tuple(float(s) for s in spacing)
    padded = np.pad(mask, REACH)
    cell = math.prod(steps)
    total = 0.0
    for direction, share in _directions(steps):
        here, there = (_shifted(padded, direction, way) for way in (1, -1))
        crossings = np.count_nonzero(here != there)
        total += share * crossings * cell / math.hypot(*np.multiply(direction, steps))
    return total * (math.pi / 2 if mask.ndim == 2 else 2.0)


def longest_diameter(mask: NDArray[np.bool_], spacing: Sequence[float]) -> float:
    """Give the longest distance between two points of a region (Feret diameter), 0 if empty.

    Pixels count with their full extent, so a single one is as long as its diagonal.
    """
    if not mask.any():
        return 0.0
    corners = _row_corners(mask) * np.asarray(spacing, dtype=float)
    return float(distance.pdist(corners[ConvexHull(corners).vertices]).max())


def _row_corners(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Give the corners at both ends of each row of pixels, among which the farthest two are."""
    rows = np.argwhere(mask.any(axis=-1))
    inside = mask[tuple(rows.T)]
    first = inside.argmax(axis=1) - 0.5
    last = mask.shape[-1] - 0.5 - inside[:, ::-1].argmax(axis=1)
    sides = itertools.product((-0.5, 0.5), repeat=mask.ndim - 1)
    return np.concatenate(
        [np.column_stack([rows + side, end]) for side in sides for end in (first, last)]
    )


def _shifted(mask: NDArray[np.bool_], direction: tuple[int, ...], way: int) -> NDArray[np.bool_]:
    """Give the part of a mask that has a partner in a direction, or (way -1) the partners."""
    part = tuple(
        slice(max(0, -way * step), size - max(0, way * step))
        for step, size in zip(direction, mask.shape, strict=True)
    )
    return mask[part]


@lru_cache(maxsize=16)
def _directions(spacing: tuple[float, ...]) -> list[tuple[tuple[int, ...], float]]:
    """Give the probing steps, one of each pair of opposites, and each one's share of directions."""
    steps = [
        step
        for step in itertools.product(range(-REACH, REACH + 1), repeat=len(spacing))
        if math.gcd(*step) == 1
    ]
    vectors = np.multiply(steps, spacing)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    shares = _arcs(units) if len(spacing) == 2 else SphericalVoronoi(units).calculate_areas()
    shares = 2 * shares / shares.sum()
    zero = (0,) * len(spacing)
    return [(s, float(share)) for s, share in zip(steps, shares, strict=True) if s > zero]


def _arcs(units: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the angle that is nearest to each direction of the plane."""
    angles = np.arctan2(units[:, 0], units[:, 1])
    order = angles.argsort()
    gaps = np.diff(angles[order], append=angles[order[0]] + 2 * math.pi)
    arcs = np.empty_like(angles)
    arcs[order] = (gaps + np.roll(gaps, 1)) / 2
    return arcs
