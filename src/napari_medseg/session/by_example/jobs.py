"""The jobs that the dock Segment by example starts; each works on a snapshot."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.disagreement import PlaneToCheck, plane_to_check
from napari_medseg.engine.by_example.job import by_example_job
from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.support import SupportExample, SupportSet, make_example
from napari_medseg.engine.by_example.support_files import load_support
from napari_medseg.engine.results import Job, PlanePreview, Progress, Provenance, retold
from napari_medseg.session.layers.query import Query
from napari_medseg.session.proposal import PlaneProposal


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
        planes=query.planes(positions),
        value_range=query.range(),
    )
    values = range(1, len(support.class_names))

    def tell(progress: Progress) -> Progress:
        preview = progress.preview
        if not isinstance(preview, PlanePreview):
            return progress
        plane = PlaneProposal.of(preview.index, preview.probabilities, values)
        return replace(progress, preview=plane)

    return (yield from retold(job, tell))


def planned_provenance(
    options: ByExampleOptions, support: SupportSet, query: Query, positions: Sequence[int]
) -> Provenance:
    """Say what a job that has only begun is going to make; it stands if the job is cancelled."""
    model = options.model
    name, sha256 = (model, "") if isinstance(model, str) else (model.name, model.sha256)
    parameters = {
        **options.as_dict(),
        "support_sha256": support.content_hash,
        "planes": query.planes(positions),
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
    support = load_support(folder)
    yield Progress(1, 1, "Read")
    return support
