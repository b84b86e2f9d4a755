"""The buttons that run a model on the open image, and what becomes of the results."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_medseg.engine.order import nearest_first
from napari_medseg.engine.results import Progress, Segmentation
from napari_medseg.session.case import Case
from napari_medseg.session.jobs import Query
from napari_medseg.session.model_jobs import ModelRun, is_huge, segment_model_job
from napari_medseg.session.model_proposal import Cut, ModelPlane, ModelProposal
from napari_medseg.session.probability_layers import probability_layers
from napari_medseg.session.stack import Stack, shape_of, stack_on_display
from napari_medseg.widgets.parts.job_button import AnyJob, JobButton, JobGate
from napari_medseg.widgets.parts.messages import Message
from napari_medseg.widgets.parts.model_options import ModelOptions
from napari_medseg.zoo.cards import ModelCard

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image


class ModelRuns(QObject):
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
    ) -> None:
        super().__init__(parent)
        self._case, self._dims, self._options = case, dims, options
        self._chosen, self._cut, self._message = chosen, cut, message
        self._run: ModelRun | None = None
        self._asked: tuple[Image, Stack, list[int]] | None = None
        gate = JobGate(self)
        self.plane = JobButton("Segment this plane", lambda: self._make(whole=False), gate)
        self.volume = JobButton("Segment all planes", lambda: self._make(whole=True), gate)
        for button in self.buttons:
            button.progressed.connect(self._on_step)
            button.succeeded.connect(self._on_segmented)
            button.cancelled.connect(self._on_cancelled)
            button.failed.connect(message.problem)

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

    def stack(self) -> Stack | None:
        """Give the planes on display; None without an image."""
        return None if self._case.image is None else stack_on_display(self._case.image, self._dims)

    def drop(self) -> None:
        """Stop, and take no more planes."""
        if self._run is not None:
            self._run.drop()
        for button in self.buttons:
            button.cancel()

    def _make(self, whole: bool) -> AnyJob:
        image, stack, card = self._case.image, self.stack(), self._chosen()
        if image is None or stack is None:
            raise ValueError("Open an image first: drop a file on the window.")
        if card is None:
            raise ValueError("Choose a model first.")
        positions = [stack.position]
        if whole:
            positions = [
                position
                for position in nearest_first(stack.n_planes, positions)
                if stack.key(position) not in self._case.approved
            ]
        elif stack.key(stack.position) in self._case.approved:
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
        if isinstance(proposal, ModelProposal) and proposal.finds_anything:
            self._message.hint("Accept writes the proposal; a click on a piece accepts only that.")
        else:
            self._message.hint(
                f"“{run.card.title}” found nothing. Is this image what its card says it is made "
                "for? A lower threshold finds more."
            )

    def _on_cancelled(self) -> None:
        if self._run is None or not self._run.is_wanted:
            return
        n_planes = len(self._case.proposal.positions) if self._case.proposal else 0
        kept = f" {n_planes} planes are proposed: accept or reject them." if n_planes else ""
        self._message.hint(f"Cancelled.{kept}")
