"""Two arrays on one grid of voxels: how the axes of one lie in the other.

Programs store the same image with axes in other orders and directions. A label map that is handed
on belongs on the grid of its image; where it is stored in another order it is turned over without
touching a value, and where it lies on another grid it is refused, never resampled in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.geometry import Geometry

_TOLERANCE = 0.05  # of a voxel; positions are rounded by every file format


class GridError(ValueError):
    """Two arrays do not lie on one grid; the message is one sentence."""


def on_grid(
    labels: NDArray[Any], affine: NDArray[np.float64], shape: Sequence[int], onto: NDArray[Any]
) -> NDArray[Any]:
    """Give the same voxels in the order in which another array stores them.

    Parameters
    ----------
    labels : ndarray
        With as many axes as `shape`.
    affine : ndarray of float64, shape (n + 1, n + 1)
        From index in `labels` to space.
    shape : sequence of int
        Of the other array.
    onto : ndarray of float64, shape (n + 1, n + 1)
        From index in the other array to the same space.

    Returns
    -------
    ndarray
        Of `shape`, a view where no axis had to be turned. Where `labels` covers a part of the
        other array only, the rest is 0.

    Raises
    ------
    GridError
        Where the voxels of the two do not coincide, or `labels` reaches outside.
    """
    turn = np.linalg.inv(onto) @ affine
    signs = np.rint(turn[:-1, :-1])
    error = np.abs(turn - np.rint(turn))[:-1] @ np.array([*labels.shape, 1.0])
    if not _is_signed_permutation(signs) or (error > _TOLERANCE).any():
        raise GridError(
            "The labels do not lie on the voxels of this image; choose the image on which they "
            "were painted."
        )
    order = [int(np.flatnonzero(row)[0]) for row in signs]
    directions = [signs[axis, order[axis]] for axis in range(len(order))]
    turned = labels.transpose(order)[tuple(slice(None, None, int(d)) for d in directions)]
    corner = np.rint(turn[:-1, -1]).astype(int)
    first = [
        int(c) - (n - 1 if d < 0 else 0)
        for c, n, d in zip(corner, turned.shape, directions, strict=True)
    ]
    return _padded(turned, first, tuple(shape))


def grid_of_both(
    shape: Sequence[int], affine: NDArray[Any], other_shape: Sequence[int], onto: NDArray[Any]
) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Give shape and matrix of the smallest grid along the axes of `onto` that holds two arrays.

    Parameters
    ----------
    shape, affine : sequence of int, ndarray of float64, shape (n + 1, n + 1)
        Of the one array.
    other_shape, onto :
        Of the other.
    """
    within = np.linalg.inv(onto) @ affine @ _corners(shape)
    low = np.minimum(np.rint(within[:-1].min(axis=1)).astype(int), 0)
    last = np.maximum(np.rint(within[:-1].max(axis=1)).astype(int), np.array(other_shape) - 1)
    grid = np.array(onto, float)
    grid[:-1, -1] += onto[:-1, :-1] @ low
    return tuple((last - low + 1).tolist()), grid


def corners_apart(shape: Sequence[int], one: NDArray[Any], other: NDArray[Any]) -> float:
    """Give the largest distance between the places that two matrices give a corner of an array."""
    return float(np.linalg.norm(((one - other) @ _corners(shape))[:-1], axis=0).max())


def same_place(shape: Sequence[int], one: Geometry, other: Geometry) -> bool:
    """Tell whether two geometries put the corners of an array of `shape` in the same places.

    A thousandth of the smallest spacing, and what single precision takes from large coordinates,
    is no difference.
    """
    if one.ndim != len(shape) or other.ndim != len(shape):
        return False
    size = float(np.abs(one.affine[:-1] @ np.array([*shape, 1.0])).max())
    allowed = 1e-3 * min(one.spacing) + 1e-6 * size
    return corners_apart(shape, one.affine, other.affine) <= allowed


def _corners(shape: Sequence[int]) -> NDArray[np.float64]:
    """Give the indices of the corner voxels, one in a column, with a 1 below."""
    n = len(shape)
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in shape], indexing="ij"), float)
    return np.vstack([corners.reshape(n, -1), np.ones(2**n)])


def _is_signed_permutation(matrix: NDArray[Any]) -> bool:
    return bool(np.array_equal(matrix @ matrix.T, np.eye(len(matrix))))


def _padded(labels: NDArray[Any], first: list[int], shape: tuple[int, ...]) -> NDArray[Any]:
    if labels.shape == shape and not any(first):
        return labels
    fits = all(
        f >= 0 and f + n <= size for f, n, size in zip(first, labels.shape, shape, strict=True)
    )
    if not fits:
        raise GridError("The labels reach outside of this image; choose the image they belong to.")
    whole = np.zeros(shape, labels.dtype)
    whole[tuple(slice(f, f + n) for f, n in zip(first, labels.shape, strict=True))] = labels
    return whole
