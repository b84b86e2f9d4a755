"""Fields, shapes and a painter, in any number of dimensions.

A shape is a field of signed distances in pixels, negative inside. Painting blends a value in with
an edge as soft as a real lens or scanner makes it, and writes the label where the distance is
negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Field = NDArray[np.float64]


def smooth_noise(
    rng: np.random.Generator, shape: Sequence[int], sigma: float | Sequence[float]
) -> Field:
    """Give noise of mean 0 and standard deviation 1 that varies over `sigma` pixels."""
    field = gaussian_filter(rng.standard_normal(tuple(shape)), sigma, mode="wrap")
    return (field - field.mean()) / field.std()


def grid(shape: Sequence[int]) -> list[Field]:
    """Give the coordinates of each pixel, one field per axis, from the centre of the image."""
    axes = [np.arange(n, dtype=np.float64) - (n - 1) / 2 for n in shape]
    return list(np.meshgrid(*axes, indexing="ij"))


def ellipse(
    coordinates: Sequence[Field],
    centre: Sequence[float],
    radii: Sequence[float],
    angle: float = 0.0,
) -> Field:
    """Give the distance to an ellipse or ellipsoid; `angle` turns it in the last two axes."""
    offsets = [axis - middle for axis, middle in zip(coordinates, centre, strict=True)]
    y, x = offsets[-2:]
    cos, sin = np.cos(angle), np.sin(angle)
    offsets[-2:] = [cos * y - sin * x, sin * y + cos * x]
    scaled = [offset / radius for offset, radius in zip(offsets, radii, strict=True)]
    return (np.sqrt(sum(s**2 for s in scaled)) - 1.0) * min(radii[-2:])


def blob(
    rng: np.random.Generator,
    coordinates: Sequence[Field],
    centre: Sequence[float] | NDArray,
    radius: float,
    roughness: float = 0.15,
    harmonics: int = 6,
) -> Field:
    """Give the distance to a round shape with a wavy outline, in 2-D."""
    y, x = (axis - middle for axis, middle in zip(coordinates, centre, strict=True))
    theta = np.arctan2(y, x)
    outline = np.ones_like(theta)
    for n in range(1, harmonics + 1):
        phase = rng.uniform(0, 2 * np.pi)
        outline += roughness * rng.normal() / n * np.cos(n * theta + phase)
    return np.hypot(y, x) - radius * np.clip(outline, 0.35, 2.0)


def stroke(coordinates: Sequence[Field], points: NDArray, width: float) -> Field:
    """Give the distance to a line of `width` pixels through `points` (n, 2), in 2-D."""
    y, x = coordinates
    best = np.full(y.shape, np.inf)
    for (y0, x0), (y1, x1) in pairwise(points):
        dy, dx = y1 - y0, x1 - x0
        t = np.clip(((y - y0) * dy + (x - x0) * dx) / (dy * dy + dx * dx + 1e-9), 0, 1)
        best = np.minimum(best, np.hypot(y - y0 - t * dy, x - x0 - t * dx))
    return best - width / 2


def inside(distance: Field, softness: float = 1.2) -> Field:
    """Give how much of each pixel lies in a shape, from 0 to 1, over an edge of `softness`."""
    return np.clip(0.5 - distance / softness, 0.0, 1.0)


class Painter:
    """A picture and its labels, painted shape by shape.

    Parameters
    ----------
    background : ndarray
        Values to start with, one channel, or several in the last axis.
    ndim : int
        Number of spatial axes of `background`.
    """

    def __init__(self, background: NDArray, ndim: int) -> None:
        self.values = np.array(background, dtype=np.float64)
        self.labels = np.zeros(self.values.shape[:ndim], dtype=np.uint8)
        self._coloured = self.values.ndim > ndim

    def paint(
        self,
        distance: Field,
        value: NDArray | float | Sequence[float],
        label: int | None = None,
        softness: float = 1.2,
        strength: float = 1.0,
    ) -> None:
        """Blend `value` in where `distance` is negative; write `label` there if given."""
        share = strength * inside(distance, softness)
        if self._coloured:
            share = share[..., None]
        self.values += share * (np.asarray(value, dtype=np.float64) - self.values)
        if label is not None:
            self.labels[distance < 0] = label
