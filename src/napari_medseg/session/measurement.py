"""Measuring and comparing layers: the jobs, and where each row of a table is."""

from __future__ import annotations

import os
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.measure.classes import class_boxes
from napari_medseg.engine.measure.compare import compare_job, differences
from napari_medseg.engine.measure.matching import match_classes
from napari_medseg.engine.measure.objects import split_objects_job
from napari_medseg.engine.measure.regions import measure_job
from napari_medseg.engine.results import Progress, retold
from napari_medseg.session.layers.stack import full_resolution, on_all_axes, shape_of
from napari_medseg.session.layers.subject import Subject, image_under, spacing_of

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Image, Labels


@dataclass(frozen=True)
class Place:
    """Where a row of a table is to be seen: a plane of a stack, and a pixel of it."""

    position: int
    row: float
    column: float


@dataclass(frozen=True)
class Measured:
    """A table, and where each of its rows is.

    Parameters
    ----------
    subject : Subject
        What was measured.
    table : DataFrame
        As `napari_medseg.engine.measure.regions.measure` gives it; of single planes with a first
        column ``plane``.
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


def objects_job(
    layer: Labels, diameter: float | None = None, part_touching: bool = True
) -> Generator[Progress, None, Numbered]:
    """Give each object of a labels layer a number, from a snapshot of it.

    Parameters
    ----------
    layer : napari Labels
        A plane or a volume.
    diameter, part_touching :
        As in `napari_medseg.engine.measure.objects.split_objects`.

    Raises
    ------
    ValueError
        With one sentence, where the layer is empty, or no plane and no volume.
    """
    if len(shape_of(layer)) not in (2, 3):
        raise ValueError("Objects are numbered in a plane or a volume; this layer has more axes.")
    labels, spacing = np.array(full_resolution(layer)), spacing_of(layer)[0]
    if not labels.any():
        raise ValueError(f"“{layer.name}” is empty: paint first, then number the objects.")
    return _numbering(
        layer,
        split_objects_job(labels, spacing, diameter=diameter, part_touching=part_touching),
    )


def _numbering(
    layer: Labels, job: Generator[Progress, None, NDArray[np.uint32]]
) -> Generator[Progress, None, Numbered]:
    objects = yield from job
    return Numbered(layer, objects)


@dataclass(frozen=True)
class Compared:
    """How well two layers agree, and where they do not.

    Parameters
    ----------
    prediction, reference : Subject
        What was compared, and with what.
    table : DataFrame
        As `napari_medseg.engine.measure.compare.compare` gives it.
    wrong : ndarray of uint8
        As `napari_medseg.engine.measure.compare.differences` gives it, with the axes of the layer;
        those outside of the stack have length one.
    start : tuple of int
        Index in the reference's layer of the first pixel of `wrong`.
    notice : str
        One sentence where class names contradict the numbers that were compared; else empty.
    """

    prediction: Subject
    reference: Subject
    table: pd.DataFrame
    wrong: NDArray[np.uint8]
    start: tuple[int, ...]
    notice: str = ""


def measure_layer_job(
    subject: Subject, image: Image | None = None, each_plane: bool = False
) -> Generator[Progress, None, Measured]:
    """Measure a labels layer as a whole or plane by plane.

    Parameters
    ----------
    subject : Subject
        What.
    image : napari Image, optional
        Adds its intensities, where the labels lie in it (`image_under`). It is read in the job.
    each_plane : bool
        One row per plane and class instead of one per class.
    """
    yield Progress(0, 1, "Reading the layers")
    values = None
    if image is not None:
        values = image_under(subject, image)
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
    """Compare the two of `Subject.pair`, in their spacing; classes by name where both say so."""
    yield Progress(0, 1, "Matching the classes")
    matched = match_classes(
        prediction.labels,
        prediction.class_names or (),
        reference.labels,
        reference.class_names or (),
    )
    table = yield from compare_job(
        matched.prediction, reference.labels, reference.spacing, matched.names
    )
    yield Progress(1, 1, "Drawing the differences")
    wrong = differences(matched.prediction, reference.labels)
    stack = reference.stack
    slab = on_all_axes(stack.planes_back(wrong), stack.free, len(stack.at))
    first = dict(zip(stack.free, reference.start, strict=True))
    start = tuple(first.get(axis, at) for axis, at in enumerate(stack.at))
    return Compared(prediction, reference, table, slab, start, matched.notice)


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
    return (
        yield from retold(job, lambda step: Progress(done, total, f"Plane {done}: {step.message}"))
    )


def _largest_plane(mask: NDArray[np.bool_], box: tuple[slice, ...]) -> Place:
    """Give the middle of a class in the plane that shows most of it."""
    position = 0
    if mask.ndim == 3:
        position = int(mask.sum(axis=(1, 2)).argmax())
        mask = mask[position]
        position += box[0].start
    rows, columns = np.nonzero(mask)
    return Place(position, rows.mean() + box[-2].start, columns.mean() + box[-1].start)
