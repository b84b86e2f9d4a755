"""Which planes of a layer the viewer shows, and where one of them lies in the array."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Layer

PlaneKey = tuple[int | None, ...]
"""Identifies a plane of an array: its index on each axis, ``None`` on the two axes it spans."""


@dataclass(frozen=True)
class Stack:
    """The planes that pass by when the user moves the slider, and the one on display.

    Parameters
    ----------
    axes : tuple of int
        The two array axes that a plane spans, in ascending order.
    axis : int or None
        The array axis along which the planes follow each other; None for a 2-D image.
    at : tuple of int
        Index of the plane on display on each axis; 0 on `axes`. Axes that are neither in `axes` nor
        `axis`, such as time, stay fixed there.
    n_planes : int
        Number of planes along `axis`; 1 for a 2-D image.
    """

    axes: tuple[int, int]
    axis: int | None
    at: tuple[int, ...]
    n_planes: int = 1

    @property
    def position(self) -> int:
        """Index of the plane on display along the stack."""
        return 0 if self.axis is None else self.at[self.axis]

    def key(self, position: int) -> PlaneKey:
        """Name the plane at `position`, so that it can be compared and remembered."""
        return tuple(
            None if axis in self.axes else position if axis == self.axis else index
            for axis, index in enumerate(self.at)
        )

    def index(self, position: int) -> tuple[int | slice, ...]:
        """Give what selects the plane at `position` from the array."""
        return tuple(slice(None) if i is None else i for i in self.key(position))

    @property
    def free(self) -> tuple[int, ...]:
        """The array axes that its planes run through, in ascending order."""
        return tuple(sorted(axis for axis in {*self.axes, self.axis} if axis is not None))

    @property
    def order(self) -> tuple[int, ...]:
        """The array axes of (Z, H, W), or of (H, W) where there is but one plane."""
        return self.axes if self.axis is None else (self.axis, *self.axes)

    @property
    def volume_index(self) -> tuple[int | slice, ...]:
        """What selects all planes of the stack from the array."""
        return tuple(slice(None) if axis in self.free else i for axis, i in enumerate(self.at))

    def planes_first(self, volume: Any) -> Any:
        """Give what `volume_index` selected as (Z, H, W[, C]), without copying; one plane as is."""
        if self.axis is None:
            return volume
        return np.moveaxis(volume, self.free.index(self.axis), 0)

    def planes_back(self, planes: Any) -> Any:
        """Undo `planes_first`: give (Z, H, W) with the axes in the order of the array."""
        if self.axis is None:
            return planes
        return np.moveaxis(planes, 0, self.free.index(self.axis))

    def same_planes(self, other: Stack) -> bool:
        """Tell whether both run through the same planes, wherever either stands."""
        return self.n_planes == other.n_planes and self.key(0) == other.key(0)

    def position_of(self, key: PlaneKey) -> int | None:
        """Find the plane `key` along this stack; None if it is not one of its planes."""
        if len(key) != len(self.at):
            return None
        position = 0 if self.axis is None else key[self.axis]
        return position if position is not None and self.key(position) == key else None

    def points(
        self, position: int, mask: NDArray[np.bool_], top: int = 0
    ) -> tuple[NDArray[np.intp], ...]:
        """Give the array indices of the true pixels of a plane, one array per axis.

        `mask` may be some rows of the plane, from the row `top` on.
        """
        rows, columns = np.nonzero(mask)
        rows += top
        spanned = dict(zip(self.axes, (rows, columns), strict=True))
        return tuple(
            spanned.get(axis, np.full(rows.size, index or 0, np.intp))
            for axis, index in enumerate(self.key(position))
        )


def stack_on_display(layer: Layer, dims: Dims) -> Stack:
    """Tell which planes of `layer` the viewer's sliders run through now.

    The order of the axes on display counts, so a volume turned in the viewer is worked on as it is
    seen. A layer with fewer axes than the viewer has its axes at the end, as everywhere in napari.

    Raises
    ------
    ValueError
        If the layer has fewer than two axes.
    """
    order = _own_order(layer, dims)
    if len(order) < 2:
        raise ValueError("The image has no planes; choose one with at least two axes.")
    axes = (min(order[-2:]), max(order[-2:]))
    axis = order[-3] if len(order) > 2 else None
    fixed = order[:-2]
    shape = shape_of(layer)
    at = [0] * layer.ndim
    for i, index in zip(fixed, index_on_display(layer, dims, fixed), strict=True):
        at[i] = index
    return Stack(axes, axis, tuple(at), 1 if axis is None else shape[axis])


def index_on_display(layer: Layer, dims: Dims, axes: Sequence[int]) -> tuple[int, ...]:
    """Give the index at which the viewer's sliders stand on some axes of a layer."""
    if not axes:
        return ()
    linear, offset = _slider_to_index(layer, list(axes))
    point = np.array([dims.point[axis - layer.ndim] for axis in axes])
    shape = shape_of(layer)
    found = zip(axes, np.round(linear @ point + offset), strict=True)
    return tuple(int(min(max(index, 0), shape[axis] - 1)) for axis, index in found)


def show_plane(layer: Layer, dims: Dims, key: PlaneKey) -> None:
    """Move the viewer's sliders to a plane of `layer`, and turn to its axes where they differ."""
    order = _own_order(layer, dims)
    spanned = [axis for axis in order if key[axis] is None]
    if set(order[-2:]) != set(spanned):
        first = dims.ndim - layer.ndim
        turned = [axis for axis in order if axis not in spanned] + spanned
        dims.order = (*range(first), *(axis + first for axis in turned))
    fixed = [axis for axis in range(layer.ndim) if key[axis] is not None]
    if fixed:
        linear, offset = _slider_to_index(layer, fixed)
        index = np.array([key[axis] for axis in fixed], float)
        for axis, value in zip(fixed, np.linalg.solve(linear, index - offset), strict=True):
            dims.set_point(axis + dims.ndim - layer.ndim, float(value))


def on_all_axes(part: NDArray[Any], axes: Sequence[int], ndim: int) -> NDArray[Any]:
    """Give an array that spans some of `ndim` axes, in order, with the others of length one."""
    spanned = dict(zip(axes, part.shape, strict=True))
    return part.reshape([spanned.get(axis, 1) for axis in range(ndim)])


def _own_order(layer: Layer, dims: Dims) -> list[int]:
    """Give the order in which the viewer shows the axes that a layer has."""
    missing = dims.ndim - layer.ndim
    return [axis - missing for axis in dims.order if axis >= missing]


def _slider_to_index(
    layer: Layer, fixed: list[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the map from slider positions to indices, as matrix and offset.

    napari leaves out how the axes on display tilt against the others, and so must we: an oblique
    volume would else be written into on another plane than the one seen.
    """
    origin = np.zeros(layer.ndim)
    offset = np.asarray(layer.world_to_data(origin), float)
    columns = [np.asarray(layer.world_to_data(unit), float) - offset for unit in np.eye(layer.ndim)]
    linear = np.stack(columns, axis=1)
    return linear[np.ix_(fixed, fixed)], offset[fixed]


def shape_of(layer: Layer) -> tuple[int, ...]:
    """Give the shape of a layer's array at full resolution, without colour channels."""
    data = full_resolution(layer)
    return tuple(int(n) for n in data.shape[: layer.ndim])


def full_resolution(layer: Layer) -> Any:
    """Give the array of a layer; of a multiscale one the level with all its pixels."""
    return layer.data[0] if getattr(layer, "multiscale", False) else layer.data
