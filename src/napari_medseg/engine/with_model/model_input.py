"""Bring planes of any kind to what a pretrained net takes, as its model card states."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.colour import GREY
from napari_medseg.engine.planes import Planes
from napari_medseg.engine.resample import Window, resize
from napari_medseg.engine.scaling import ValueRange, as_array, finite_sample, robust_range
from napari_medseg.zoo.specs import InputSpec, Scaling

STRIP_PIXELS = 2**24
"""Planes with more pixels than this are never held whole as floats, but read in strips."""
_DARKEST = 0.1
"""Floats with fractions that do not reach this part of the divisor are not divided by it: so dark
an image would show nothing, and most are of the range 0 to 1 with a few values beyond."""


def input_planes(
    image: Any,
    spec: InputSpec,
    *,
    axis: int = 0,
    rgb: bool | None = None,
    value_range: ValueRange | None = None,
) -> Planes:
    """Take an image apart into planes along an axis, scaled as the model wants it.

    Parameters
    ----------
    image : array-like, shape (H, W), (H, W, 3|4), (Z, H, W) or (Z, H, W, 3|4)
        NumPy, memory-mapped, dask or zarr: only what is needed is read.
    spec : InputSpec
        Of the model's card.
    axis : int
        Along which the planes of a volume are taken: 0, 1 or 2.
    rgb : bool, optional
        Whether the last axis holds colours; by default as in `Planes`.
    value_range : tuple of float, optional
        Raw values that become 0 and 1, instead of what the card says.

    Raises
    ------
    ValueError
        Where the image or the axis cannot be used, or no value lies where the model expects them.
    """
    image = as_array(image)
    if value_range is None:
        is_rgb = Planes(image, rgb, (0.0, 1.0), axis).is_rgb
        value_range = _stated_range(image[..., :3] if is_rgb else image, spec.scaling)
    return Planes(image, rgb, value_range, axis)


def prepare(scaled: NDArray[np.float32], spec: InputSpec) -> NDArray[np.float32]:
    """Give a scaled plane the channels that the net takes.

    Parameters
    ----------
    scaled : ndarray of float32, shape (H, W) or (H, W, 3)
        In [0, 1]; colours in the order red, green, blue.
    spec : InputSpec
        Of the model's card.

    Returns
    -------
    ndarray of float32, shape (channels, H, W)
    """
    if spec.channels == 1:
        channels = GREY(scaled)[None]
    elif scaled.ndim == 2:
        channels = np.repeat(scaled[None], 3, axis=0)
    else:
        step = -1 if spec.order == "bgr" else 1
        channels = np.moveaxis(scaled, -1, 0)[::step]
    if spec.mean:
        mean, std = (
            np.array(values, np.float32)[:, None, None] for values in (spec.mean, spec.std)
        )
        channels = (channels - mean) / std
    return np.ascontiguousarray(channels, dtype=np.float32)


def shrink_plane(planes: Planes, index: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Give a plane scaled and resized to the net's size, (H, W) or (H, W, 3).

    A plane of more than `STRIP_PIXELS` is read in strips, whose pixels are averaged in squares
    before the last step, so that it need not fit into memory.
    """
    height, width = planes.plane_shape
    if height * width <= STRIP_PIXELS:
        return resize(planes.scaled(index)[0], size)
    factor = max(1, min(height // (2 * size[0]), width // (2 * size[1])))
    rows = factor * max(1, STRIP_PIXELS // (8 * width * factor))
    strips = [
        _averaged(planes.scale(planes.raw(index, strip))[0], factor)
        for strip in strips_of(planes.plane_shape, rows)
    ]
    return resize(np.concatenate(strips), size)


def strips_of(shape: tuple[int, int], rows: int) -> list[Window]:
    """Give the windows that cut a plane into strips of so many rows."""
    height, width = shape
    return [Window(top, 0, min(top + rows, height), width) for top in range(0, height, rows)]


def is_blank(planes: Planes, index: int) -> bool:
    """Say whether all finite pixels of a plane are equal; reading stops where two differ."""
    lowest, highest = np.inf, -np.inf
    height, width = planes.plane_shape
    for strip in strips_of((height, width), max(1, STRIP_PIXELS // (8 * width))):
        scaled, finite = planes.scale(planes.raw(index, strip))
        seen = scaled[finite]
        if seen.size:
            lowest, highest = min(lowest, seen.min()), max(highest, seen.max())
        if lowest < highest:
            return False
    return True


def _averaged(strip: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average squares of pixels; those at the far edges may be cut off and are averaged as such."""
    if factor == 1:
        return strip
    starts = [np.arange(0, length, factor) for length in strip.shape[:2]]
    sums = np.add.reduceat(np.add.reduceat(strip, starts[0], axis=0), starts[1], axis=1)
    counts = [
        np.diff([*start, length]) for start, length in zip(starts, strip.shape[:2], strict=True)
    ]
    area = np.outer(*counts).astype(np.float32)
    averaged = sums / (area if strip.ndim == 2 else area[..., None])
    return averaged.astype(np.float32, copy=False)


def _stated_range(image: Any, scaling: Scaling) -> ValueRange:
    if scaling.kind == "percentile":
        return robust_range(image, (scaling.low, scaling.high))
    if scaling.kind == "window":
        low, high = robust_range(image, (0.0, 100.0))
        if high < scaling.low or low > scaling.high:
            raise ValueError(
                f"The values of this image ({low:g} to {high:g}) lie outside of those that the "
                f"model takes ({scaling.low:g} to {scaling.high:g}): is it of the right kind, and "
                "in its original units?"
            )
        return scaling.low, scaling.high
    return _divided_range(image, scaling.high)


def _divided_range(image: Any, divisor: float) -> ValueRange:
    """Give the range of an image that is to be divided: its own where it does not end there."""
    dtype = np.dtype(image.dtype)
    if dtype == np.bool_:
        return 0.0, 1.0
    if dtype == np.uint8:
        return 0.0, divisor
    if dtype.kind == "f":
        values = finite_sample(image)
        if (values != np.floor(values)).any():
            return _divided_range_of_fractions(image, divisor)
    low, high = robust_range(image, (0.0, 100.0))
    if low >= 0 and high <= 1 and dtype.kind == "f":
        return 0.0, 1.0
    if low >= 0 and high <= divisor:
        return 0.0, divisor
    return robust_range(image)


def _divided_range_of_fractions(image: Any, divisor: float) -> ValueRange:
    """Give the range of floats; percentiles decide, as a single pixel says nothing of the rest."""
    low, high = robust_range(image)
    if low < 0 or high > divisor:
        return low, high
    if high > _DARKEST * divisor:
        return 0.0, divisor
    return 0.0, max(1.0, high)
