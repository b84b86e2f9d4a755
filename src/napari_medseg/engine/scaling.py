"""Bring raw pixel values to [0, 1] without being misled by outliers, NaN or infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

ValueRange = tuple[float, float]
"""The raw values (lowest, highest) that become 0 and 1."""

PERCENTILES = (0.5, 99.5)
SAMPLE = 1_000_000


def robust_range(array: Any, percentiles: tuple[float, float] = PERCENTILES) -> ValueRange:
    """Give the raw values between which nearly all finite pixels lie.

    Half a percent is left out at either end, so that a metal implant or a burnt-in caption does not
    flatten the rest. Where nothing but outliers differs, the full range is taken. Large arrays are
    sampled on a regular grid of about a million values, so that a volume on disk is never read
    whole.

    Parameters
    ----------
    array : array-like of bool, integer or float, any shape
        A plane or a whole volume; anything that can be sliced like an array.
    percentiles : tuple of float
        Lower and upper percentile in [0, 100].

    Returns
    -------
    tuple of float
        ``(lowest, highest)``; equal for a constant array, ``(0.0, 0.0)`` if no value is finite.

    Raises
    ------
    ValueError
        If the values are not real numbers.
    """
    values = finite_sample(array)
    if values.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(values, percentiles)
    if not high > low:
        low, high = values.min(), values.max()
    return float(low), float(high)


def scale_to_unit(array: ArrayLike, value_range: ValueRange | None = None) -> NDArray[np.float32]:
    """Map raw values linearly to [0, 1]; what lies outside the range is clipped.

    Parameters
    ----------
    array : array-like of bool, integer or float, any shape
        Raw values. NaN and infinite values become 0, the minimum.
    value_range : tuple of float, optional
        Raw values that become 0 and 1; by default `robust_range` of the array itself.

    Returns
    -------
    ndarray of float32
        Same shape; all 0 where the range is empty, as it is for a constant image.

    Raises
    ------
    ValueError
        If the values are not real numbers, or the range is reversed or not finite.
    """
    raw = np.asarray(array)
    check_real(raw.dtype)
    low, high = check_range(value_range) if value_range is not None else robust_range(raw)
    if not high > low:
        return np.zeros(raw.shape, np.float32)
    # 32-bit floats hold 8- and 16-bit values exactly; wider ones lose digits before the
    # subtraction.
    wide = raw.dtype.itemsize > 2
    values: NDArray[np.floating[Any]] = raw.astype(np.float64 if wide else np.float32)
    finite = np.isfinite(values)
    values = np.where(finite, values, low)
    if not np.isfinite(high - low):  # the range is wider than the widest number
        values, low, high = values / 2, low / 2, high / 2
    return np.clip((values - low) / (high - low), 0.0, 1.0).astype(np.float32)


def as_array(image: Any) -> Any:
    """Give an image as it is where it is an array of a NumPy type, unread; else make one of it."""
    return image if isinstance(getattr(image, "dtype", None), np.dtype) else np.asarray(image)


def check_range(value_range: ValueRange) -> ValueRange:
    """Give the range as two floats.

    Raises
    ------
    ValueError
        If it is no two numbers, reversed or not finite.
    """
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"A value range is two numbers, the lowest and the highest, not {value_range!r}."
        ) from error
    if not (np.isfinite(low) and np.isfinite(high) and high >= low):
        raise ValueError(
            f"The value range ({low:g}, {high:g}) cannot be used: give the lowest value first, "
            "both finite."
        )
    return low, high


def check_real(dtype: np.dtype[Any]) -> None:
    """Refuse values that are no real numbers.

    Raises
    ------
    ValueError
        For complex numbers, text and objects.
    """
    if np.dtype(dtype).kind not in "buif":
        raise ValueError(
            f"Images of type {dtype} cannot be segmented: convert the image to integers or floats."
        )


def finite_sample(array: Any) -> NDArray[np.float64]:
    """Give the finite ones of about a million values of an array, from a regular grid, flat.

    Raises
    ------
    ValueError
        If the values are not real numbers.
    """
    array = as_array(array)
    check_real(array.dtype)
    size = int(np.prod(array.shape))
    long_axes = sum(length > 4 for length in array.shape)
    step = max(1, round((size / SAMPLE) ** (1 / max(1, long_axes))))
    grid = tuple(
        slice(step // 2, None, step) if length > max(4, step) else slice(None)
        for length in array.shape
    )
    values = np.asarray(array[grid]).astype(np.float64).ravel()
    return values[np.isfinite(values)]
