"""The buttons that run a model on the open image, and what becomes of the results."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QWidget

from napari_medseg.engine.results import Progress, Segmentation
from napari_medseg.session.case import Case
from napari_medseg.session.jobs import Query
from napari_medseg.session.model_jobs import ModelRun, is_huge, segment_model_job
from napari_medseg.session.model_proposal import Cut, ModelPlane, ModelProposal
from napari_medseg.session.probability_layers import probability_layers
from napari_medseg.session.stack import Stack, shape_of
from napari_medseg.widgets.parts.job_button import AnyJob, JobButton
from napari_medseg.widgets.parts.job_gate import JobGate
from napari_medseg.widgets.parts.messages import Message
from napari_medseg.widgets.parts.model_options import ModelOptions
from napari_medseg.widgets.parts.plane_jobs import PlaneJobs
from napari_medseg.zoo.cards import ModelCard

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image


class ModelRuns(PlaneJobs):
    """Segment this plane, segment all planes.

    Parameters
    ----------
    case : Case
        What is worked on.
    dims : napari Dims
        The viewer's sliders, which say what plane is on display.
    options : ModelOptions
        How models are run.
    chosen : callable
        Gives the model that is chosen now.
    cut : callable
        Gives how labels are made of probabilities now.
    message : Message
        Where results are told.
    parent : QWidget
        The dock.
    gate : JobGate
        Lets one job through at a time.
    """

    layers_made = Signal(object)
    """Probability layers shall be added to the viewer, a list."""

    def __init__(
        self,
        case: Case,
        dims: Dims,
        options: ModelOptions,
        chosen: Callable[[], ModelCard | None],
        cut: Callable[[], Cut],
        message: Message,
        parent: QWidget,
        gate: JobGate,
    ) -> None:
        super().__init__(case, dims, message, parent)
        self._options, self._chosen, self._cut = options, chosen, cut
        self._run: ModelRun | None = None
        self._asked: tuple[Image, Stack, list[int]] | None = None
        self.plane = JobButton("Segment this plane", lambda: self._make(whole=False), gate)
        self.volume = JobButton("Segment all planes", lambda: self._make(whole=True), gate)
        for button in self.buttons:
            button.progressed.connect(self._on_step)
            button.succeeded.connect(self._on_segmented)
            button.cancelled.connect(self._on_cancelled)

    @property
    def buttons(self) -> tuple[JobButton, ...]:
        """Its buttons."""
        return self.plane, self.volume

    @property
    def is_running(self) -> bool:
        """Whether planes are on their way."""
        return any(button.is_running for button in self.buttons)

    @property
    def card(self) -> ModelCard | None:
        """The model that ran last, or runs."""
        return None if self._run is None else self._run.card

    def drop(self) -> None:
        """Stop, and take no more planes."""
        if self._run is not None:
            self._run.drop()
        for button in self.buttons:
            button.cancel()

    def _make(self, whole: bool) -> AnyJob:
        stack, image, card = self._required_stack(), self._case.image, self._chosen()
        assert image is not None  # there are no planes without one
        if card is None:
            raise ValueError("Choose a model first.")
        positions = self._open_planes(stack, [stack.position]) if whole else [stack.position]
        if not whole and self._is_approved(stack, stack.position):
            raise ValueError("This plane is approved: open it in Segment by example to change it.")
        if not positions:
            raise ValueError("All planes are approved: nothing is left to segment.")
        self._run = ModelRun(self._case, stack, card, fresh=whole)
        self._asked = (image, stack, positions)
        # Whatever fits is cut afterwards, so the net is asked for its own decision.
        shape = shape_of(image)
        huge = is_huge((shape[stack.axes[0]], shape[stack.axes[1]]))
        threshold = self._cut().threshold if huge else None
        options = self._options.options(card, threshold)
        return segment_model_job(Query.of(image, stack, {}), positions, options)

    def _on_step(self, progress: Progress) -> None:
        if isinstance(progress.preview, ModelPlane) and self._run is not None:
            self._run.take(progress.preview, self._cut())

    def _on_segmented(self, segmentation: Segmentation) -> None:
        run = self._run
        if run is None or not run.is_wanted or self._asked is None:
            return
        run.finish(segmentation.provenance)
        self.layers_made.emit(probability_layers(*self._asked[:2], segmentation, self._asked[2]))
        proposal = self._case.proposal
        self._tell_proposed(
            isinstance(proposal, ModelProposal) and proposal.finds_anything,
            f"“{run.card.title}” found nothing. Is this image what its card says it is made for? "
            "A lower threshold finds more.",
        )

    def _on_cancelled(self) -> None:
        if self._run is not None and self._run.is_wanted:
            self._tell_cancelled()
