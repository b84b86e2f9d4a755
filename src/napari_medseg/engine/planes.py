"""Take an image of any kind apart into planes that a net can be asked about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.resample import Window
from napari_medseg.engine.scaling import (
    ValueRange,
    as_array,
    check_range,
    check_real,
    robust_range,
    scale_to_unit,
)


class Planes:
    """The planes of an image or a volume, all scaled with one range of values.

    Parameters
    ----------
    image : array-like, shape (H, W), (H, W, 3|4), (Z, H, W) or (Z, H, W, 3|4)
        Any bool, integer or float type; only the planes asked for are read, so an array on disk
        stays there.
    rgb : bool, optional
        Whether the last axis holds colours. By default three axes of which the last has length 3 or
        4 are a colour image, and four axes a colour volume.
    value_range : tuple of float, optional
        Raw values that become 0 and 1; by default the robust range of the whole image, so that all
        planes of a volume are scaled alike.
    axis : int
        Along which the planes of a volume are taken: 0, 1 or 2.

    Raises
    ------
    ValueError
        If the image has another shape, no pixels, values that are no real numbers, or no such axis.
    """

    def __init__(
        self,
        image: Any,
        rgb: bool | None = None,
        value_range: ValueRange | None = None,
        axis: int = 0,
    ) -> None:
        image = as_array(image)
        check_real(image.dtype)
        shape = tuple(int(length) for length in image.shape)
        self.is_rgb = _has_colours(shape) if rgb is None else rgb
        spatial = shape[:-1] if self.is_rgb else shape
        colours_fit = not self.is_rgb or (len(shape) > 2 and shape[-1] in (3, 4))
        if len(spatial) not in (2, 3) or not colours_fit:
            raise ValueError(
                "An image must be a plane (H, W) or a volume (Z, H, W), grey or with 3 or 4 colour "
                f"channels last; got shape {shape}."
            )
        if 0 in spatial:
            raise ValueError(f"The image holds no pixels: its shape is {shape}.")
        self.is_volume = len(spatial) == 3
        last = 2 if self.is_volume else 0
        if not 0 <= axis <= last:
            raise ValueError(f"There is no axis {axis} to take planes along; choose 0 to {last}.")
        self.axis = axis
        self._image = image = _along(image, axis)
        self.shape = tuple(int(length) for length in image.shape[: len(spatial)])
        if value_range is not None:
            self.value_range = check_range(value_range)
        else:
            self.value_range = robust_range(image[..., :3] if self.is_rgb else image)

    def __len__(self) -> int:
        return self.shape[0] if self.is_volume else 1

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width of every plane."""
        return self.shape[-2], self.shape[-1]

    def raw(self, index: int, window: Window | None = None) -> NDArray[Any]:
        """Give the raw values of a plane, (H, W) or (H, W, 3), without transparency.

        With a window only that rectangle is read.
        """
        if window is not None:
            at = (index, *window.slices) if self.is_volume else window.slices
            plane = np.asarray(self._image[at])
        else:
            plane = np.asarray(self._image[index] if self.is_volume else self._image)
        return plane[..., :3] if self.is_rgb else plane

    def scaled(self, index: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Give a plane scaled to [0, 1], and where its values are finite, shape (H, W)."""
        return self.scale(self.raw(index))

    def scale(self, raw: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Give raw values of a plane scaled to [0, 1], and where they are finite, shape (H, W)."""
        return scale_to_unit(raw, self.value_range), self.finite(raw)

    def finite(self, raw: NDArray[Any]) -> NDArray[np.bool_]:
        """Give where raw values of a plane are finite, in all colours, shape (H, W)."""
        finite: NDArray[np.bool_] = np.isfinite(raw)
        return np.all(finite, axis=-1) if self.is_rgb else finite

    def turned_back(self, planes: NDArray[Any], leading: int = 0) -> NDArray[Any]:
        """Give what was made of the planes in the image's order of axes, after `leading` others."""
        return np.moveaxis(planes, leading, leading + self.axis)

    def checked_order(self, planes: Sequence[int] | None) -> list[int]:
        """Give the planes to work on, counted along `axis`; all of them by default.

        Raises
        ------
        ValueError
            If one does not exist or is named twice.
        """
        if planes is None:
            return list(range(len(self)))
        order = [int(plane) for plane in planes]
        outside = [plane for plane in order if not 0 <= plane < len(self)]
        if outside:
            raise ValueError(
                f"There is no plane {outside[0]}; planes go from 0 to {len(self) - 1}."
            )
        if len(set(order)) < len(order):
            raise ValueError("A plane was asked for twice; name each plane once.")
        return order


def _along(image: Any, axis: int) -> Any:
    """Put an axis first; arrays that cannot be turned themselves are turned by dask, unread."""
    if axis == 0:
        return image
    if not hasattr(image, "transpose"):
        import dask.array

        image = dask.array.from_array(image)
    order = [axis, *(other for other in range(image.ndim) if other != axis)]
    return image.transpose(order)


def _has_colours(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 or (len(shape) == 3 and shape[-1] in (3, 4))
