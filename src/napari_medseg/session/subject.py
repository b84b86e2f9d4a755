"""A snapshot of a labels layer for whoever measures it, with spacing and units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.placement import geometry_of_labels, world_matrix
from napari_medseg.session.geometry_of import placement_of
from napari_medseg.session.history import KEY
from napari_medseg.session.stack import Stack, full_resolution, shape_of

if TYPE_CHECKING:
    from napari.layers import Labels, Layer

    from napari_medseg.io.geometry import Geometry


@dataclass(frozen=True)
class Subject:
    """A snapshot of a labels layer; of one with more than three axes the volume on display.

    Parameters
    ----------
    layer : napari Labels
        What it was taken from.
    labels : ndarray of int, shape (H, W) or (Z, H, W)
        The planes of `stack`, in their order.
    stack : Stack
        Which planes of the layer.
    spacing : tuple of float
        Of the axes of `labels`.
    units : str
        ``"mm"``, ``"um"`` or ``"px"``.
    class_names : tuple of str or None
        As noted with the layer.
    """

    layer: Labels
    labels: NDArray[np.integer]
    stack: Stack
    spacing: tuple[float, ...]
    units: str
    class_names: tuple[str, ...] | None

    @classmethod
    def of(cls, layer: Labels, stack: Stack) -> Subject:
        """Take the snapshot; the layer's data is copied."""
        spacing, units = spacing_of(layer)
        order = stack.axes if stack.axis is None else (stack.axis, *stack.axes)
        names = layer.metadata.get(KEY, {}).get("class_names")
        return cls(
            layer,
            np.array(planes_of(full_resolution(layer), stack)),
            stack,
            tuple(spacing[axis] for axis in order),
            units,
            tuple(str(name) for name in names) if names else None,
        )

    @property
    def is_volume(self) -> bool:
        """Whether there are several planes, or could be."""
        return self.labels.ndim == 3


def why_not_together(labels: Layer, other: Layer) -> str:
    """Say why two layers cannot be measured or compared together; empty if they can."""
    if shape_of(labels) == shape_of(other):
        return ""
    return (
        f"“{labels.name}” and “{other.name}” have different sizes; choose layers of the same image."
    )


def planes_of(data: Any, stack: Stack) -> Any:
    """Give the planes of a stack, (H, W) or (Z, H, W), colours last, without copying."""
    return stack.planes_first(np.asarray(data[stack.volume_index]))


def spacing_of(layer: Labels) -> tuple[tuple[float, ...], str]:
    """Give the spacing of every axis of a layer, and its unit."""
    attributes = placement_of(layer)
    if layer.ndim in (2, 3):
        geometry: Geometry = geometry_of_labels(attributes, layer.ndim)
        return geometry.spacing, "px" if geometry.units == "pixel" else geometry.units
    lengths = np.linalg.norm(world_matrix(attributes, layer.ndim)[:-1, :-1], axis=0)
    units = {f"{unit:~}" for unit in layer.units[-2:]}
    unit = units.pop() if len(units) == 1 else "px"
    return tuple(lengths.tolist()), {"µm": "um", "um": "um", "mm": "mm"}.get(unit, "px")
