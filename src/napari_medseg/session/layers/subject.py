"""A snapshot of a labels layer for whoever measures it, with spacing and units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.grid import GridError, on_grid_of_both, under
from napari_medseg.io.notes import noted_geometry
from napari_medseg.io.placement import sizes_of
from napari_medseg.io.units import PIXEL, short
from napari_medseg.session.layers.geometry_of import placement_of
from napari_medseg.session.layers.notes import notes_of
from napari_medseg.session.layers.stack import Stack, full_resolution, shape_of

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer

    from napari_medseg.io.geometry import Geometry

NO_UNIT = "unit"
"""In place of the unit of lengths: that of the layer's scale, which does not say what it is."""


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
        ``"mm"``, ``"um"``, ``"px"``, or `NO_UNIT`.
    class_names : tuple of str or None
        As noted with the layer.
    start : tuple of int
        Index in the layer that `stack` is of, on the axes that its planes run through, of the
        first pixel of `labels`; not 0 only where these reach beyond that layer.
    """

    layer: Labels
    labels: NDArray[np.integer]
    stack: Stack
    spacing: tuple[float, ...]
    units: str
    class_names: tuple[str, ...] | None
    start: tuple[int, ...] = ()

    @classmethod
    def of(cls, layer: Labels, stack: Stack) -> Subject:
        """Take the snapshot; the layer's data is copied."""
        start = (0,) * len(stack.free)
        return cls._of(layer, stack, planes_of(full_resolution(layer), stack), start)

    @classmethod
    def pair(cls, layer: Labels, reference: Labels, stack: Stack) -> tuple[Subject, Subject]:
        """Take snapshots of two layers, voxel by voxel on one grid, in the reference's spacing.

        Layers of files that know the patient are laid on the smallest grid along the axes of the
        reference that holds both; others must have one size. The spacing is that of the other
        layer where only that has one.

        Parameters
        ----------
        layer, reference : napari Labels
            The two.
        stack : Stack
            Of the reference.

        Raises
        ------
        ValueError
            With one sentence, where the two do not fit.
        """
        one, other = cls._on_one_grid(layer, reference, stack)
        vague = ("px", NO_UNIT)
        known = one if other.units in vague and one.units not in vague else other
        return (
            replace(one, spacing=known.spacing, units=known.units),
            replace(other, spacing=known.spacing, units=known.units),
        )

    @classmethod
    def _on_one_grid(
        cls, layer: Labels, reference: Labels, stack: Stack
    ) -> tuple[Subject, Subject]:
        geometries = patient_geometries(layer, reference)
        if geometries is None:
            reason = _different_sizes(layer, reference)
            if reason:
                raise ValueError(reason)
            return cls.of(layer, stack), cls.of(reference, stack)
        of_layer, of_reference = (geometry.affine for geometry in geometries)
        *arrays, start = on_grid_of_both(
            np.asarray(full_resolution(layer)),
            of_layer,
            np.asarray(full_resolution(reference)),
            of_reference,
        )
        planes = (stack.planes_first(array) for array in arrays)
        one, other = (
            cls._of(whose, stack, part, start)
            for whose, part in zip((layer, reference), planes, strict=True)
        )
        return one, other

    @classmethod
    def _of(cls, layer: Labels, stack: Stack, planes: Any, start: tuple[int, ...]) -> Subject:
        spacing, units = spacing_of(layer, stack.order)
        names = notes_of(layer).get("class_names")
        return cls(
            layer,
            np.array(planes),
            stack,
            spacing,
            units,
            tuple(str(name) for name in names) if names else None,
            start,
        )

    @property
    def is_volume(self) -> bool:
        """Whether there are several planes, or could be."""
        return self.labels.ndim == 3


def why_not_together(labels: Labels, image: Image) -> str:
    """Say why an image is not that of labels; empty if their voxels coincide."""
    geometries = patient_geometries(labels, image)
    if geometries is None:
        return _different_sizes(labels, image)
    try:
        _under(np.broadcast_to(np.uint8(0), shape_of(image)), labels, geometries)
    except GridError as error:
        return str(error)
    return ""


def image_under(subject: Subject, image: Image) -> NDArray[Any]:
    """Give the pixels of an image that lie under the labels of a subject.

    Where the files of both know the patient they lie there by that, in whatever order of axes
    they are stored; else by their place in the array.

    Returns
    -------
    ndarray
        In the order of ``subject.labels``, colours last.

    Raises
    ------
    ValueError
        With one sentence, where the two do not fit.
    """
    geometries = patient_geometries(subject.layer, image)
    if geometries is not None:
        whole = _under(np.asarray(full_resolution(image)), subject.layer, geometries)
        return np.asarray(planes_of(whole, subject.stack))
    reason = _different_sizes(subject.layer, image)
    if reason:
        raise ValueError(reason)
    return np.asarray(planes_of(full_resolution(image), subject.stack))


def _under(values: Any, labels: Labels, geometries: tuple[Geometry, Geometry]) -> Any:
    of_labels, of_image = (geometry.affine for geometry in geometries)
    return under(values, of_image, shape_of(labels), of_labels)


def patient_geometries(labels: Layer, other: Layer) -> tuple[Geometry, Geometry] | None:
    """Give what the files of two layers say of the patient; None unless both do.

    The place on the screen says nothing of it: each file is shown from its own first voxel on.
    """
    if shape_of(labels) != shape_of(other) and (labels.translate.any() or other.translate.any()):
        return None  # a part that was cut out of a layer has moved, and still has its notes
    one, two = (noted_geometry(notes_of(i), i.ndim) for i in (labels, other))
    if one is None or two is None or not (one.matrix and two.matrix and labels.ndim == 3):
        return None
    return (one, two) if one.ndim == two.ndim else None


def _different_sizes(labels: Layer, other: Layer) -> str:
    if shape_of(labels) == shape_of(other):
        return ""
    return (
        f"“{labels.name}” and “{other.name}” have different sizes; choose layers of the same image."
    )


def planes_of(data: Any, stack: Stack) -> Any:
    """Give the planes of a stack, (H, W) or (Z, H, W), colours last, without copying."""
    return stack.planes_first(np.asarray(data[stack.volume_index]))


def spacing_of(layer: Layer, axes: Sequence[int] | None = None) -> tuple[tuple[float, ...], str]:
    """Give the spacing of some axes of a layer, or of every one, and the unit of these.

    A layer that was scaled without saying in what is in no pixels any more: see `NO_UNIT`.
    """
    axes = range(layer.ndim) if axes is None else axes
    spacing, unit = sizes_of(placement_of(layer), layer.ndim, axes)
    if unit == PIXEL and any(size != 1 for size in spacing):
        return spacing, NO_UNIT
    return spacing, short(unit)
