"""Clean up a label map: largest component, holes, crumbs. Pure functions; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.unsignedinteger[Any]]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class PostProcess:
    """What is done to each class of a label map, in this order.

    Parameters
    ----------
    min_size : int
        Pieces with fewer pixels (voxels) become background; 0 and 1 keep all.
    largest : bool
        Whether only the largest piece of each class is kept.
    fill_holes : bool
        Whether background enclosed by a class becomes that class.

    Raises
    ------
    ValueError
        If `min_size` is negative.
    """

    min_size: int = 0
    largest: bool = False
    fill_holes: bool = False

    def __post_init__(self) -> None:
        if self.min_size < 0:
            raise ValueError(f"The minimum size must not be negative; got {self.min_size}.")

    def __bool__(self) -> bool:
        return self.min_size > 1 or self.largest or self.fill_holes


def postprocess(labels: Labels, settings: PostProcess) -> Labels:
    """Apply all that the settings ask for.

    Parameters
    ----------
    labels : ndarray of unsigned integers, shape (H, W) or (Z, H, W)
        Class indices. Pieces are connected in all axes, over corners too.
    settings : PostProcess
        See there.

    Returns
    -------
    ndarray
        Of the same type and shape; `labels` itself is not changed.
    """
    if settings.min_size > 1:
        labels = remove_small(labels, settings.min_size)
    if settings.largest:
        labels = keep_largest(labels)
    if settings.fill_holes:
        labels = fill_holes(labels)
    return labels


def keep_largest(labels: Labels) -> Labels:
    """Keep only the largest connected piece of each class; the first of equal ones."""

    def kept(mask: Mask) -> Mask:
        pieces, sizes = _pieces(mask)
        found: Mask = pieces == 1 + int(np.argmax(sizes))
        return found

    return _without(labels, kept)


def remove_small(labels: Labels, min_size: int) -> Labels:
    """Make connected pieces of fewer than `min_size` pixels background."""

    def kept(mask: Mask) -> Mask:
        pieces, sizes = _pieces(mask)
        found: Mask = np.concatenate([[False], sizes >= min_size])[pieces]
        return found

    return _without(labels, kept)


def fill_holes(labels: Labels) -> Labels:
    """Give background that a class encloses to that class; other classes inside stay.

    In a volume a hole must be enclosed in all three axes.
    """
    filled = labels.copy()
    for index, box in _boxes(labels):
        inside = ndimage.binary_fill_holes(labels[box] == index)
        filled[box][inside & (filled[box] == 0)] = index
    return filled


def _without(labels: Labels, kept: Callable[[Mask], Mask]) -> Labels:
    """Make everything background that `kept` does not keep of the mask of each class."""
    cleaned = labels.copy()
    for index, box in _boxes(labels):
        mask = labels[box] == index
        cleaned[box][mask & ~kept(mask)] = 0
    return cleaned


def _boxes(labels: Labels) -> list[tuple[int, tuple[slice, ...]]]:
    """Give each class that occurs and the box around it."""
    found = ndimage.find_objects(labels.astype(np.int32, copy=False))
    return [(index, box) for index, box in enumerate(found, start=1) if box is not None]


def _pieces(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Give the connected pieces, numbered from 1, and their sizes."""
    pieces, n_pieces = ndimage.label(mask, np.ones((3,) * mask.ndim))
    return pieces, np.bincount(pieces.ravel(), minlength=n_pieces + 1)[1:]
