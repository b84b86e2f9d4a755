"""The buttons that run a model on the open image, and what becomes of the results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal

from napari_medseg.engine.results import Progress
from napari_medseg.session.probability_layers import probability_layers
from napari_medseg.session.query import Query
from napari_medseg.session.stack import Stack, shape_of
from napari_medseg.session.with_model.jobs import is_huge, segment_model_job
from napari_medseg.session.with_model.proposal import Cut, ModelPlane, ModelProposal
from napari_medseg.session.with_model.run import ModelRun
from napari_medseg.widgets.parts.jobs.button import AnyJob
from napari_medseg.widgets.parts.proposals.plane_jobs import PlaneJobs
from napari_medseg.widgets.parts.with_model.options import ModelOptions
from napari_medseg.widgets.parts.workbench import Workbench
from napari_medseg.zoo.cards import ModelCard


class ModelRuns(PlaneJobs):
    """Segment this plane, segment all planes.

    Parameters
    ----------
    bench : Workbench
        What is worked on, and where.
    options : ModelOptions
        How models are run.
    chosen : callable
        Gives the model that is chosen now.
    cut : callable
        Gives how labels are made of probabilities now.
    """

    layers_made = Signal(object)
    """Probability layers shall be added to the viewer, a list."""

    def __init__(
        self,
        bench: Workbench,
        options: ModelOptions,
        chosen: Callable[[], ModelCard | None],
        cut: Callable[[], Cut],
    ) -> None:
        super().__init__(bench, "Segment this plane", "Segment all planes")
        self._options, self._chosen, self._cut = options, chosen, cut
        self._arrivals: ModelRun | None = None
        self._asked: list[int] = []

    @property
    def card(self) -> ModelCard | None:
        """The model that ran last, or runs."""
        return None if self._arrivals is None else self._arrivals.card

    def _make_plane(self) -> AnyJob:
        stack = self._bench.required_stack()
        card = self._require_card()
        if self._is_approved(stack, stack.position):
            raise ValueError("This plane is approved: open it in Segment by example to change it.")
        return self._make(stack, card, [stack.position], fresh=False)

    def _make_volume(self) -> AnyJob:
        stack = self._bench.required_stack()
        card = self._require_card()
        positions = self._open_planes(stack, [stack.position])
        if not positions:
            raise ValueError("All planes are approved: nothing is left to segment.")
        return self._make(stack, card, positions, fresh=True)

    def _make(self, stack: Stack, card: ModelCard, positions: list[int], fresh: bool) -> AnyJob:
        image = self._case.image
        assert image is not None  # there are no planes without one
        self._arrivals = ModelRun(self._case, stack, card, fresh)
        self._asked = positions
        # Whatever fits is cut afterwards, so the net is asked for its own decision.
        shape = shape_of(image)
        huge = is_huge((shape[stack.axes[0]], shape[stack.axes[1]]))
        threshold = self._cut().threshold if huge else None
        options = self._options.options(card, threshold)
        return segment_model_job(Query.of(image, stack, {}), positions, options)

    def _require_card(self) -> ModelCard:
        card = self._chosen()
        if card is None:
            raise ValueError("Choose a model first.")
        return card

    def _on_step(self, progress: Progress) -> None:
        if isinstance(progress.preview, ModelPlane) and self._arrivals is not None:
            self._arrivals.take(progress.preview, self._cut())

    def _on_proposed(self, result: Any) -> None:
        run = self._arrivals
        if run is None or not run.is_wanted or run.image is None:
            return
        run.finish(result.provenance)
        self.layers_made.emit(probability_layers(run.image, run.stack, result, self._asked))
        proposal = self._case.proposal
        self._tell_proposed(
            isinstance(proposal, ModelProposal) and proposal.finds_anything,
            f"“{run.card.title}” found nothing. Is this image what its card says it is made for? "
            "A lower threshold finds more.",
        )
