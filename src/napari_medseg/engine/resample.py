"""Change the size of planes between the image's own resolution and the net's.

Planes are stretched to the net's square, not padded to it (no letterbox). The published net was
trained so, every pixel of its small input is used, and examples and query are nearly always of
equal shape, so that both are stretched alike; a cropped second pass uses square windows and has no
distortion at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """A rectangle of a plane, in whole pixels; bottom and right are not in it."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the rectangle."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def resize(plane: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a plane bilinearly; making it smaller averages, so that nothing is skipped.

    Parameters
    ----------
    plane : ndarray of float32, shape (H, W) or (H, W, C)
        What to resize.
    shape : tuple of int
        New height and width.

    Returns
    -------
    ndarray of float32, shape (*shape) or (*shape, C)
        Never outside the range of values of `plane`.
    """
    import torch
    import torch.nn.functional as F

    if plane.shape[:2] == shape:
        return plane
    channels = plane[None] if plane.ndim == 2 else np.moveaxis(plane, -1, 0)
    tensor = torch.from_numpy(np.ascontiguousarray(channels))[None]
    small = F.interpolate(tensor, size=shape, mode="bilinear", antialias=True)[0].numpy()
    np.clip(small, plane.min(), plane.max(), out=small)
    return small[0] if plane.ndim == 2 else np.moveaxis(small, 0, -1)


def enlarge_rows(
    planes: NDArray[np.float32], shape: tuple[int, int], start: int, stop: int
) -> NDArray[np.float32]:
    """Give some rows of planes made larger bilinearly, without making the rest.

    Parameters
    ----------
    planes : ndarray of float32, shape (C, h, w)
        What to make larger.
    shape : tuple of int
        Height and width of the large planes, at least h and w.
    start, stop : int
        The rows wanted.

    Returns
    -------
    ndarray of float32, shape (C, stop - start, W)
        Rows of what `resize` gives.
    """
    height, width = planes.shape[1:]
    above, below, down = _between(np.arange(start, stop), shape[0], height)
    left, right, across = _between(np.arange(shape[1]), shape[1], width)
    rows = planes[:, above] * (1 - down[:, None]) + planes[:, below] * down[:, None]
    enlarged = rows[..., left] * (1 - across) + rows[..., right] * across
    return enlarged.astype(np.float32, copy=False)


def _between(
    positions: NDArray[np.intp], length: int, source: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Give the two source pixels around each position, and the weight of the second."""
    exact = np.clip((positions + 0.5) * (source / length) - 0.5, 0, source - 1)
    first = exact.astype(np.intp)
    second = np.minimum(first + 1, source - 1)
    return first, second, (exact - first).astype(np.float32)


def shrink_mask(mask: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resize a binary mask; a pixel is foreground where half of it was.

    A structure so thin that it would vanish keeps the pixels it covers most.

    Returns
    -------
    ndarray of float32
        0 and 1; never empty where `mask` is not.
    """
    cover = resize(mask.astype(np.float32), shape)
    return (cover >= min(0.5, float(cover.max()) / 2 or 1.0)).astype(np.float32)
