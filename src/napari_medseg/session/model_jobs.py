"""Segmenting an open image with a pretrained model: the job, and how its planes are proposed."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_medseg.engine.canvas import PREVIEW_PIXELS
from napari_medseg.engine.results import (
    Job,
    PlaneLabels,
    PlanePreview,
    Progress,
    Provenance,
    Segmentation,
)
from napari_medseg.engine.segment_options import SegmentOptions
from napari_medseg.session.background import in_background
from napari_medseg.session.jobs import Query
from napari_medseg.session.model_classes import planned_values
from napari_medseg.session.model_proposal import Cut, ModelPlane, ModelProposal

if TYPE_CHECKING:
    from napari_medseg.session.case import Case
    from napari_medseg.session.stack import Stack
    from napari_medseg.zoo.cards import ModelCard


def is_huge(plane_shape: tuple[int, int]) -> bool:
    """Say whether a plane is too large to keep its probabilities, so that labels are all there is.

    Its threshold has to be chosen before the net runs.
    """
    return plane_shape[0] * plane_shape[1] > PREVIEW_PIXELS


def segment_model_job(query: Query, positions: Sequence[int], options: SegmentOptions) -> Job:
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

    Yields
    ------
    Progress
        `preview` is a `ModelPlane` whenever a plane is finished.
    """
    stop = threading.Event()
    segmentation = yield from in_background(_segment(query, positions, options, stop), stop)
    return segmentation


def _segment(
    query: Query, positions: Sequence[int], options: SegmentOptions, stop: threading.Event
) -> Generator[Progress, None, Segmentation]:
    yield Progress(0, len(positions), "Starting the network")
    from napari_medseg.engine.segment import segment_job

    job = segment_job(
        query.volume(),
        options,
        rgb=query.rgb,
        planes=list(positions) if query.stack.axis is not None else None,
        previews=True,
        stop=stop,
    )
    while True:
        try:
            progress = next(job)
        except StopIteration as end:
            segmentation: Segmentation = end.value
            return segmentation
        yield replace(progress, preview=_plane(progress.preview))


def _plane(preview: object) -> ModelPlane | None:
    if isinstance(preview, PlanePreview) and preview.labels is not None:
        return ModelPlane.graded_of(preview.index, preview.probabilities, preview.labels)
    if isinstance(preview, PlaneLabels):
        return ModelPlane.decided(preview.index, preview.labels)
    return None


class ModelRun:
    """Takes the planes that a job finishes into a case, as long as the user still wants them.

    Parameters
    ----------
    case : Case
        Where they go.
    stack : Stack
        The planes that are segmented, of the image that is chosen now.
    card : ModelCard
        The model.
    fresh : bool
        Whether the first finished plane replaces an open proposal of the same model and planes, or
        joins it.
    """

    def __init__(self, case: Case, stack: Stack, card: ModelCard, fresh: bool) -> None:
        self._case, self._stack, self._card, self._fresh = case, stack, card, fresh
        self._image = case.image
        self._wanted = True
        self._provenance = Provenance("segment", card.name, card.sha256)

    @property
    def is_wanted(self) -> bool:
        """Whether its planes still go anywhere: not after a reject, nor for another image."""
        return self._wanted and self._image is self._case.image

    @property
    def card(self) -> ModelCard:
        """The model that runs."""
        return self._card

    def drop(self) -> None:
        """Take no more planes."""
        self._wanted = False

    def take(self, plane: ModelPlane, cut: Cut) -> None:
        """Put a finished plane into the proposal."""
        if not self.is_wanted:
            return
        proposal = self._case.proposal
        if self._fresh or not self._continues(proposal):
            self._case.reject()
            values = planned_values(self._case, self._card.classes)
            proposal = ModelProposal(self._stack, values, cut, self._card.classes)
            self._case.proposal = proposal
            self._fresh = False
        assert isinstance(proposal, ModelProposal)
        proposal.set_cut(cut)
        proposal.provenance = self._provenance
        self._case.propose(plane)

    def finish(self, provenance: Provenance) -> None:
        """Take over what the finished job says of itself."""
        self._provenance = provenance
        if self.is_wanted and self._case.proposal is not None:
            self._case.proposal.provenance = provenance

    def _continues(self, proposal: object) -> bool:
        if not isinstance(proposal, ModelProposal) or proposal.provenance is None:
            return False
        same_model = proposal.provenance.weights_sha256 == self._card.sha256
        return same_model and proposal.stack.same_planes(self._stack)
