"""The part of an image that is worked on: a plane, or a rectangle drawn in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.resample import Window
from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.session.layers.stack import Stack, on_all_axes, shape_of

if TYPE_CHECKING:
    from napari.layers import Image, Shapes

SMALLEST_SIDE = 8
"""A rectangle with fewer pixels to a side was hardly meant."""


@dataclass(frozen=True)
class Region:
    """A rectangle of the plane on display.

    Parameters
    ----------
    stack : Stack
        The planes, and the one that is meant.
    window : Window
        The rectangle in it.
    """

    stack: Stack
    window: Window

    @classmethod
    def plane_of(cls, image: Image, stack: Stack) -> Region:
        """Give the whole plane."""
        rows, columns = (shape_of(image)[axis] for axis in stack.axes)
        return cls(stack, Window(0, 0, rows, columns))

    @classmethod
    def drawn(cls, image: Image, stack: Stack, shapes: Shapes) -> Region:
        """Give the rectangle around the selected shape of a layer, or around its last one.

        Raises
        ------
        ValueError
            If there is none, or too little of it lies on the image.
        """
        if not shapes.data:
            raise ValueError("Draw a rectangle on the image first, or work on the whole plane.")
        chosen = min(shapes.selected_data, default=len(shapes.data) - 1)
        corners = np.array([_index_in(image, shapes, corner) for corner in shapes.data[chosen]])
        whole = np.array([shape_of(image)[axis] for axis in stack.axes])
        spanned = corners[:, list(stack.axes)]
        # The pixels whose centres lie inside.
        first = np.clip(np.ceil(spanned.min(axis=0)), 0, whole).astype(int)
        last = np.clip(np.floor(spanned.max(axis=0)) + 1, 0, whole).astype(int)
        if (last - first < SMALLEST_SIDE).any():
            raise ValueError("The rectangle is too small or beside the image: draw it again.")
        return cls(stack, Window(*first.tolist(), *last.tolist()))

    @property
    def index(self) -> tuple[int | slice, ...]:
        """What selects the region from the image's array."""
        spanned = dict(zip(self.stack.axes, self.window.slices, strict=True))
        whole = self.stack.index(self.stack.position)
        return tuple(spanned.get(axis, at) for axis, at in enumerate(whole))

    @property
    def start(self) -> tuple[int, ...]:
        """Index of its first pixel on every axis of the array."""
        return tuple(at.start if isinstance(at, slice) else at for at in self.index)

    def in_plane(self, mask: NDArray[np.bool_], plane: tuple[int, int]) -> NDArray[np.bool_]:
        """Give a mask of the region as one of the whole plane."""
        full = np.zeros(plane, bool)
        full[self.window.slices] = mask
        return full

    def slab(self, labels: NDArray[np.integer]) -> NDArray[np.integer]:
        """Give labels of the region as many axes as the image has, all others of length one."""
        return on_all_axes(labels, self.stack.axes, len(self.stack.at))


def placed_on(
    image: Image, start: tuple[float, ...], step: int | tuple[int, ...] = 1
) -> dict[str, Any]:
    """Give the keyword arguments that place a layer on a part of an image.

    Parameters
    ----------
    image : napari Image
        The image.
    start : tuple of float
        Index in the image at which the part starts, on every axis.
    step : int or tuple of int
        How many pixels of the image on the axes that are longer than one lie under one of the part;
        for every axis alike, or for each.
    """
    from napari.utils.transforms import Affine

    placed = geometry_of(image)
    steps = np.asarray(step)
    own = Affine(
        scale=placed["scale"],
        rotate=placed["rotate"],
        shear=placed["shear"],
        translate=placed["translate"],
    )
    return {
        **placed,
        "scale": np.asarray(placed["scale"]) * steps,
        "translate": np.asarray(own(np.asarray(start, float) + (steps - 1) / 2)),
    }


def _index_in(image: Image, shapes: Shapes, corner: NDArray[np.floating]) -> NDArray[np.floating]:
    """Give the index in the image of a corner of a shape; missing leading axes are at zero."""
    world = np.atleast_1d(shapes.data_to_world(corner))[-image.ndim :]
    return np.asarray(image.world_to_data(np.pad(world, (image.ndim - world.size, 0))))
