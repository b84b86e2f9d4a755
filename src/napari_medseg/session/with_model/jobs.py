"""Segmenting an open image with a pretrained model: the job, which works on a snapshot."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.canvas import PREVIEW_PIXELS
from napari_medseg.engine.measure.objects import split_objects_job
from napari_medseg.engine.results import (
    PlaneLabels,
    PlanePreview,
    Progress,
    Segmentation,
    retold,
)
from napari_medseg.engine.with_model.options import SegmentOptions
from napari_medseg.session.background import in_background
from napari_medseg.session.layers.query import Query
from napari_medseg.session.with_model.proposal import ModelPlane


@dataclass(frozen=True)
class Answer:
    """What a model says of an image.

    Parameters
    ----------
    segmentation : Segmentation
        The classes.
    objects : ndarray of uint32, optional
        Of the shape of its labels: a number for each object, also where objects touch.
    """

    segmentation: Segmentation
    objects: NDArray[np.uint32] | None = None


def is_huge(plane_shape: tuple[int, int]) -> bool:
    """Say whether a plane is too large to keep its probabilities, so that labels are all there is.

    Its threshold has to be chosen before the net runs.
    """
    return plane_shape[0] * plane_shape[1] > PREVIEW_PIXELS


def segment_model_job(
    query: Query,
    positions: Sequence[int],
    options: SegmentOptions,
    spacing: Sequence[float] | None = None,
) -> Generator[Progress, None, Answer]:
    """Segment planes of an open image with a model; see `segment_job`.

    Cancel ends it within a layer of the net. The labels are those the model itself decides for;
    they are cleaned up and cut elsewhere, as often as the user changes her mind.

    Parameters
    ----------
    query : Query
        The image.
    positions : sequence of int
        Which planes of its stack, in this order.
    options : SegmentOptions
        How.
    spacing : sequence of float, optional
        Of (Z, H, W) or (H, W); where it is given the objects are numbered, too.

    Yields
    ------
    Progress
        `preview` is a `ModelPlane` whenever a plane is finished.
    """
    stop = threading.Event()
    job = _answer(query, positions, options, stop, spacing)
    return (yield from in_background(job, stop))


def _answer(
    query: Query,
    positions: Sequence[int],
    options: SegmentOptions,
    stop: threading.Event,
    spacing: Sequence[float] | None,
) -> Generator[Progress, None, Answer]:
    found = yield from _segment(query, positions, options, stop)
    if spacing is None:
        return Answer(found)
    return Answer(found, (yield from split_objects_job(found, spacing)))


def _segment(
    query: Query, positions: Sequence[int], options: SegmentOptions, stop: threading.Event
) -> Generator[Progress, None, Segmentation]:
    yield Progress(0, len(positions), "Starting the network")
    from napari_medseg.engine.with_model.job import segment_job

    job = segment_job(
        query.volume(),
        options,
        rgb=query.rgb,
        planes=query.planes(positions),
        previews=True,
        stop=stop,
    )
    return (yield from retold(job, _with_plane))


def _with_plane(progress: Progress) -> Progress:
    return replace(progress, preview=_plane(progress.preview))


def _plane(preview: object) -> ModelPlane | None:
    if isinstance(preview, PlanePreview) and preview.labels is not None:
        return ModelPlane.graded_of(preview.index, preview.probabilities, preview.labels)
    if isinstance(preview, PlaneLabels):
        return ModelPlane.decided(preview.index, preview.labels)
    return None
