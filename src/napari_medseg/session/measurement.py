"""Measuring and comparing layers: snapshots of them, the jobs, and where each row of a table is."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.classes import class_boxes
from napari_medseg.engine.compare import compare_job, differences
from napari_medseg.engine.measure import measure_job
from napari_medseg.engine.objects import split_objects_job
from napari_medseg.engine.results import Progress
from napari_medseg.io.placement import geometry_of_labels, world_matrix
from napari_medseg.session.history import KEY
from napari_medseg.session.stack import Stack, full_resolution, shape_of

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Image, Labels, Layer

    from napari_medseg.io.geometry import Geometry


@dataclass(frozen=True)
class Place:
    """Where a row of a table is to be seen: a plane of a stack, and a pixel of it."""

    position: int
    row: float
    column: float


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
        spacing, units = _spacing_of(layer)
        order = stack.axes if stack.axis is None else (stack.axis, *stack.axes)
        names = layer.metadata.get(KEY, {}).get("class_names")
        return cls(
            layer,
            np.array(_planes(full_resolution(layer), stack)),
            stack,
            tuple(spacing[axis] for axis in order),
            units,
            tuple(str(name) for name in names) if names else None,
        )

    @property
    def is_volume(self) -> bool:
        """Whether there are several planes, or could be."""
        return self.labels.ndim == 3


@dataclass(frozen=True)
class Measured:
    """A table, and where each of its rows is.

    Parameters
    ----------
    subject : Subject
        What was measured.
    table : DataFrame
        As `napari_medseg.engine.measure.measure` gives it; of single planes with a first column
        ``plane``.
    places : tuple of Place or None
        One per row; None for a class that is nowhere.
    """

    subject: Subject
    table: pd.DataFrame
    places: tuple[Place | None, ...]


@dataclass(frozen=True)
class Numbered:
    """The objects of a layer, each with a number of its own, on the layer's grid."""

    layer: Labels
    objects: NDArray[np.uint32]


def objects_job(layer: Labels) -> Generator[Progress, None, Numbered]:
    """Give each object of a labels layer a number, from a snapshot of it.

    Raises
    ------
    ValueError
        With one sentence, where the layer is no plane and no volume.
    """
    if len(shape_of(layer)) not in (2, 3):
        raise ValueError("Objects are numbered in a plane or a volume; this layer has more axes.")
    labels, spacing = np.array(full_resolution(layer)), _spacing_of(layer)[0]
    return _numbering(layer, labels, spacing)


def _numbering(
    layer: Labels, labels: NDArray[np.integer], spacing: tuple[float, ...]
) -> Generator[Progress, None, Numbered]:
    objects = yield from split_objects_job(labels, spacing)
    return Numbered(layer, objects)


@dataclass(frozen=True)
class Compared:
    """How well two layers agree, and where they do not.

    Parameters
    ----------
    reference : Subject
        What was compared with.
    table : DataFrame
        As `napari_medseg.engine.compare.compare` gives it.
    wrong : ndarray of uint8
        As `napari_medseg.engine.compare.differences` gives it, with the axes of the layer; those
        outside of the stack have length one.
    start : tuple of int
        Index in the layer of the first pixel of `wrong`.
    """

    reference: Subject
    table: pd.DataFrame
    wrong: NDArray[np.uint8]
    start: tuple[int, ...]


def why_not_together(labels: Layer, other: Layer) -> str:
    """Say why two layers cannot be measured or compared together; empty if they can."""
    if shape_of(labels) == shape_of(other):
        return ""
    return (
        f"“{labels.name}” and “{other.name}” have different sizes; choose layers of the same image."
    )


def measure_layer_job(
    subject: Subject, image: Image | None = None, each_plane: bool = False
) -> Generator[Progress, None, Measured]:
    """Measure a labels layer as a whole or plane by plane.

    Parameters
    ----------
    subject : Subject
        What.
    image : napari Image, optional
        Of the same size; adds its intensities. It is read in the job.
    each_plane : bool
        One row per plane and class instead of one per class.
    """
    yield Progress(0, 1, "Reading the layers")
    values = None
    if image is not None:
        values = np.asarray(_planes(full_resolution(image), subject.stack))
    if each_plane and subject.is_volume:
        return (yield from _measure_planes(subject, values))
    table = yield from measure_job(
        subject.labels, subject.spacing, values, subject.class_names, units=subject.units
    )
    boxes = class_boxes(subject.labels)
    places = tuple(
        _largest_plane(subject.labels[boxes[label]] == label, boxes[label])
        if label in boxes
        else None
        for label in table["label"]
    )
    return Measured(subject, table, places)


def compare_layers_job(
    prediction: Subject, reference: Subject
) -> Generator[Progress, None, Compared]:
    """Compare two labels layers of the same size, in the reference's spacing."""
    names = reference.class_names or prediction.class_names
    table = yield from compare_job(prediction.labels, reference.labels, reference.spacing, names)
    yield Progress(1, 1, "Drawing the differences")
    wrong = differences(prediction.labels, reference.labels)
    stack = reference.stack
    if stack.axis is not None:
        wrong = np.moveaxis(wrong, 0, sorted((stack.axis, *stack.axes)).index(stack.axis))
    free = {stack.axis, *stack.axes}
    lengths = iter(wrong.shape)
    shape = [next(lengths) if axis in free else 1 for axis in range(len(stack.at))]
    start = tuple(0 if axis in free else at for axis, at in enumerate(stack.at))
    return Compared(reference, table, wrong.reshape(shape), start)


def save_table_job(
    table: pd.DataFrame, path: str | os.PathLike[str]
) -> Generator[Progress, None, Path]:
    """Write a table as CSV; returns the file."""
    from napari_medseg.io.tables import write_table

    yield Progress(0, 1, "Saving the table")
    written = write_table(path, table)
    yield Progress(1, 1, "Saved")
    return written


def _measure_planes(
    subject: Subject, values: NDArray[Any] | None
) -> Generator[Progress, None, Measured]:
    import pandas as pd

    parts: list[pd.DataFrame] = []
    places: list[Place | None] = []
    count = len(subject.labels)
    for position, plane in enumerate(subject.labels):
        yield Progress(position, count, f"Measuring plane {position}")
        boxes = class_boxes(plane)
        if not boxes:
            continue
        table = yield from _quietly(
            measure_job(
                plane,
                subject.spacing[1:],
                None if values is None else values[position],
                subject.class_names,
                units=subject.units,
            ),
            position,
            count,
        )
        table = table[table["label"].isin(boxes)]
        table.insert(0, "plane", position)
        parts.append(table)
        for label in table["label"]:
            flat = _largest_plane(plane[boxes[label]] == label, boxes[label])
            places.append(replace(flat, position=position))
    if not parts:
        raise ValueError(f"“{subject.layer.name}” is empty: there is nothing to measure.")
    return Measured(subject, pd.concat(parts, ignore_index=True), tuple(places))


def _quietly(
    job: Generator[Progress, None, pd.DataFrame], done: int, total: int
) -> Generator[Progress, None, pd.DataFrame]:
    """Pass a job on that is one step of a longer one."""
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            table: pd.DataFrame = end.value
            return table
        yield Progress(done, total, f"Plane {done}: {step.message}")


def _largest_plane(mask: NDArray[np.bool_], box: tuple[slice, ...]) -> Place:
    """Give the middle of a class in the plane that shows most of it."""
    position = 0
    if mask.ndim == 3:
        position = int(mask.sum(axis=(1, 2)).argmax())
        mask = mask[position]
        position += box[0].start
    rows, columns = np.nonzero(mask)
    return Place(position, rows.mean() + box[-2].start, columns.mean() + box[-1].start)


def _planes(data: Any, stack: Stack) -> Any:
    """Give the planes of a stack, (H, W) or (Z, H, W), colours last, without copying."""
    planes = np.asarray(data[stack.volume_index])
    if stack.axis is None:
        return planes
    return np.moveaxis(planes, sorted((stack.axis, *stack.axes)).index(stack.axis), 0)


def _spacing_of(layer: Labels) -> tuple[tuple[float, ...], str]:
    """Give the spacing of every axis of a layer, and its unit."""
    names = ("scale", "translate", "rotate", "shear", "units", "metadata")
    attributes = {name: getattr(layer, name) for name in names}
    attributes["affine"] = layer.affine.affine_matrix
    if layer.ndim in (2, 3):
        geometry: Geometry = geometry_of_labels(attributes, layer.ndim)
        return geometry.spacing, "px" if geometry.units == "pixel" else geometry.units
    lengths = np.linalg.norm(world_matrix(attributes, layer.ndim)[:-1, :-1], axis=0)
    units = {f"{unit:~}" for unit in layer.units[-2:]}
    unit = units.pop() if len(units) == 1 else "px"
    return tuple(lengths.tolist()), {"µm": "um", "um": "um", "mm": "mm"}.get(unit, "px")
