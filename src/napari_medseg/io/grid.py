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
_OUTSIDE = "The labels reach outside of this image; choose the image they belong to."


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
    return _padded(*_turned(labels, affine, onto), tuple(shape))


def under(image: Any, affine: NDArray[np.float64], shape: Sequence[int], onto: NDArray[Any]) -> Any:
    """Give the voxels of an image that lie under labels, in the order in which those are stored.

    Parameters
    ----------
    image : array
        With as many axes as `shape`, or one more at the end for colours.
    affine : ndarray of float64, shape (n + 1, n + 1)
        From index in `image` to space.
    shape : sequence of int
        Of the labels.
    onto : ndarray of float64, shape (n + 1, n + 1)
        From index in the labels to the same space.

    Returns
    -------
    array
        Of `shape`, colours last; a view.

    Raises
    ------
    GridError
        Where the voxels of the two do not coincide, or the labels reach outside of the image.
    """
    turned, first = _turned(image, affine, onto)
    inside = all(
        f <= 0 and n <= f + size for f, n, size in zip(first, shape, turned.shape, strict=False)
    )
    if not inside:
        raise GridError(_OUTSIDE)
    return turned[tuple(slice(-f, n - f) for f, n in zip(first, shape, strict=True))]


def on_grid_of_both(
    labels: NDArray[Any], affine: NDArray[Any], other: NDArray[Any], onto: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], tuple[int, ...]]:
    """Give two label maps on the smallest grid along the axes of the other that holds both.

    Parameters
    ----------
    labels, affine : ndarray, ndarray of float64, shape (n + 1, n + 1)
        The one label map, and its matrix from index to space.
    other, onto :
        The other.

    Returns
    -------
    ndarray, ndarray, tuple of int
        Both of one shape, 0 where there is nothing of them; and the index in `other` of their
        first voxel, which is negative where the one begins before the other.

    Raises
    ------
    GridError
        Where the voxels of the two do not coincide.
    """
    try:
        turned, first = _turned(labels, affine, onto)
    except GridError:
        raise GridError(
            "The two label maps do not lie on the same voxels; bring one to the grid of the other "
            "first."
        ) from None
    low = [min(f, 0) for f in first]
    last = [max(f + n, m) for f, n, m in zip(first, turned.shape, other.shape, strict=True)]
    shape = tuple(end - start for end, start in zip(last, low, strict=True))
    start = [-begin for begin in low]
    moved = [f + s for f, s in zip(first, start, strict=True)]
    return _padded(turned, moved, shape), _padded(other, start, shape), tuple(low)


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


def _turned(array: Any, affine: NDArray[Any], onto: NDArray[Any]) -> tuple[Any, list[int]]:
    """Give an array in the order of axes of another, and the index there of its first voxel.

    Raises
    ------
    GridError
        Where the voxels of the two do not coincide.
    """
    turn = np.linalg.inv(onto) @ affine
    signs = np.rint(turn[:-1, :-1])
    n = len(signs)
    error = np.abs(turn - np.rint(turn))[:-1] @ np.array([*array.shape[:n], 1.0])
    if not _is_signed_permutation(signs) or (error > _TOLERANCE).any():
        raise GridError(
            "The labels do not lie on the voxels of this image; choose the image on which they "
            "were painted."
        )
    order = [int(np.flatnonzero(row)[0]) for row in signs]
    directions = [int(signs[axis, order[axis]]) for axis in range(n)]
    turned = array.transpose((*order, *range(n, array.ndim)))
    turned = turned[tuple(slice(None, None, direction) for direction in directions)]
    corner = np.rint(turn[:-1, -1]).astype(int)
    first = [
        int(c) - (size - 1 if d < 0 else 0)
        for c, size, d in zip(corner, turned.shape, directions, strict=False)
    ]
    return turned, first


def _is_signed_permutation(matrix: NDArray[Any]) -> bool:
    return bool(np.array_equal(matrix @ matrix.T, np.eye(len(matrix))))


def _padded(labels: NDArray[Any], first: list[int], shape: tuple[int, ...]) -> NDArray[Any]:
    if labels.shape == shape and not any(first):
        return labels
    fits = all(
        f >= 0 and f + n <= size for f, n, size in zip(first, labels.shape, shape, strict=True)
    )
    if not fits:
        raise GridError(_OUTSIDE)
    whole = np.zeros(shape, labels.dtype)
    whole[tuple(slice(f, f + n) for f, n in zip(first, labels.shape, strict=True))] = labels
    return whole
