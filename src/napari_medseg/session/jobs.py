"""The jobs that the dock Segment by example starts; each works on a snapshot."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example import by_example_job
from napari_medseg.engine.disagreement import PlaneToCheck, plane_to_check
from napari_medseg.engine.options import ByExampleOptions
from napari_medseg.engine.results import (
    Job,
    PlanePreview,
    Progress,
    Provenance,
    Segmentation,
)
from napari_medseg.engine.scaling import ValueRange, robust_range
from napari_medseg.engine.support import SupportExample, SupportSet, make_example
from napari_medseg.session.proposal import PlaneProposal
from napari_medseg.session.stack import Stack, full_resolution

if TYPE_CHECKING:
    from napari.layers import Image


@dataclass(frozen=True)
class Query:
    """An image as a job sees it: its array, its planes, and what becomes black and white.

    Parameters
    ----------
    data : array-like
        At full resolution, colour channels last; only the planes asked for are read.
    rgb : bool
        Whether there are colour channels.
    stack : Stack
        The planes, and the one on display when the job was started.
    value_range : tuple of float, optional
        Raw values that become 0 and 1; None for the robust range of the volume.
    known_ranges : dict
        Robust ranges that were worked out earlier, by volume; jobs add theirs.
    """

    data: Any
    rgb: bool
    stack: Stack
    value_range: ValueRange | None = None
    known_ranges: dict[Any, ValueRange] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        image: Image,
        stack: Stack,
        known_ranges: dict[Any, ValueRange],
        displayed: bool = False,
    ) -> Query:
        """Take it from an image layer; `displayed` takes the contrast limits as the range."""
        low, high = image.contrast_limits if displayed and not image.rgb else (0.0, 0.0)
        chosen = (float(low), float(high)) if high > low else None
        return cls(full_resolution(image), bool(image.rgb), stack, chosen, known_ranges)

    def plane(self) -> NDArray[Any]:
        """Copy the plane on display, (H, W) or (H, W, 3|4)."""
        return np.array(self.data[self.stack.index(self.stack.position)])

    def volume(self) -> Any:
        """Give all planes, (Z, H, W[, 3|4]), without copying or reading; a 2-D image as it is."""
        data = self.data
        if not isinstance(data, np.ndarray):
            import dask.array

            data = dask.array.asarray(data)
        planes = data[self.stack.volume_index]
        if self.stack.axis is None:
            return planes
        free = sorted({*self.stack.axes, self.stack.axis})
        return np.moveaxis(planes, free.index(self.stack.axis), 0)

    def range(self) -> ValueRange | None:
        """Give the range that all planes are scaled with; None for a 2-D image of its own."""
        if self.value_range is not None or self.stack.axis is None:
            return self.value_range
        key = (id(self.data), self.stack.key(0))
        if key not in self.known_ranges:
            volume = self.volume()
            self.known_ranges[key] = robust_range(volume[..., :3] if self.rgb else volume)
        return self.known_ranges[key]


def example_job(
    query: Query, mask: NDArray[np.integer], name: str
) -> Generator[Progress, None, SupportExample]:
    """Make an example of the plane on display; returns it.

    Raises
    ------
    ValueError
        If it cannot be used.
    """
    yield Progress(0, 1, "Reading the plane")
    example = make_example(query.plane(), mask, name=name, value_range=query.range())
    yield Progress(1, 1, "Done")
    return example


def predict_job(
    query: Query, positions: Sequence[int], support: SupportSet, options: ByExampleOptions
) -> Job:
    """Segment planes of an image as the examples show; see `by_example_job`.

    What a proposal keeps of a finished plane is worked out here, in the job's thread: `preview` is
    a `PlaneProposal`.

    Parameters
    ----------
    query : Query
        The image.
    positions : sequence of int
        Which planes of its stack, in this order.
    support : SupportSet
        A snapshot.
    options : ByExampleOptions
        How.
    """
    yield Progress(0, len(positions), "Reading the image")
    job = by_example_job(
        query.volume(),
        support,
        replace(options, keep_probabilities=False),
        rgb=query.rgb,
        planes=list(positions) if query.stack.axis is not None else None,
        value_range=query.range(),
    )
    values = range(1, len(support.class_names))
    while True:
        try:
            progress = next(job)
        except StopIteration as end:
            segmentation: Segmentation = end.value
            return segmentation
        preview = progress.preview
        if isinstance(preview, PlanePreview):
            plane = PlaneProposal.of(preview.index, preview.probabilities, values)
            progress = replace(progress, preview=plane)
        yield progress


def planned_provenance(
    options: ByExampleOptions, support: SupportSet, query: Query, positions: Sequence[int]
) -> Provenance:
    """Say what a job that has only begun is going to make; it stands if the job is cancelled."""
    model = options.model
    name, sha256 = (model, "") if isinstance(model, str) else (model.name, model.sha256)
    parameters = {
        **options.as_dict(),
        "support_sha256": support.content_hash,
        "planes": list(positions) if query.stack.axis is not None else None,
        "value_range": query.value_range,
    }
    return Provenance("by-example", name, sha256, parameters)


def check_plane_job(
    query: Query, leave_out: Sequence[int], support: SupportSet, options: ByExampleOptions
) -> Generator[Progress, None, PlaneToCheck | None]:
    """Look for the plane to check next; see `plane_to_check`."""
    yield Progress(0, 1, "Reading the image")
    return (
        yield from plane_to_check(
            query.volume(),
            support,
            options,
            leave_out=leave_out,
            rgb=query.rgb,
            value_range=query.range(),
        )
    )


def save_job(
    support: SupportSet, folder: str | os.PathLike[str]
) -> Generator[Progress, None, Path]:
    """Write a support set as a folder; returns the folder."""
    yield Progress(0, 1, "Saving the examples")
    support.save(folder)
    yield Progress(1, 1, "Saved")
    return Path(folder)


def load_job(folder: str | os.PathLike[str]) -> Generator[Progress, None, SupportSet]:
    """Read a support set from a folder; returns it."""
    yield Progress(0, 1, "Reading the examples")
    support = SupportSet.load(folder)
    yield Progress(1, 1, "Read")
    return support
