"""The buttons that run a model on the open image, and what becomes of the results."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal

from napari_medseg.engine.results import Progress, counted
from napari_medseg.session.layers.query import Query
from napari_medseg.session.layers.stack import Stack, shape_of
from napari_medseg.session.layers.subject import spacing_of
from napari_medseg.session.with_model.jobs import Answer, is_huge, segment_model_job
from napari_medseg.session.with_model.layers import objects_layer, probability_layers
from napari_medseg.session.with_model.proposal import Cut, ModelPlane, ModelProposal
from napari_medseg.session.with_model.run import ModelRun
from napari_medseg.widgets.parts.jobs.button import AnyJob
from napari_medseg.widgets.parts.proposals.plane_jobs import PlaneJobs
from napari_medseg.widgets.parts.with_model.options import ModelOptions
from napari_medseg.widgets.parts.workbench import Workbench
from napari_medseg.zoo.cards import ModelCard

if TYPE_CHECKING:
    from napari.layers import Image, Layer


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
    """Layers shall be added to the viewer, a list: of probabilities, of numbered objects."""

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
        self._with_probabilities = False

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
        self._with_probabilities = self._options.probabilities.isChecked()
        # Whatever fits is cut afterwards, so the net is asked for its own decision.
        shape = shape_of(image)
        huge = is_huge((shape[stack.axes[0]], shape[stack.axes[1]]))
        threshold = self._cut().threshold if huge else None
        options = self._options.options(card, threshold)
        spacing = None
        if self._options.objects.isChecked():
            spacing = spacing_of(image, stack.order)[0]
        return segment_model_job(Query.of(image, stack, {}), positions, options, spacing)

    def _require_card(self) -> ModelCard:
        card = self._chosen()
        if card is None:
            raise ValueError("Choose a model first.")
        return card

    def _on_step(self, progress: Progress) -> None:
        if isinstance(progress.preview, ModelPlane) and self._arrivals is not None:
            self._arrivals.take(progress.preview, self._cut())

    def _on_proposed(self, answer: Answer) -> None:
        run = self._arrivals
        if run is None or not run.is_wanted or run.image is None:
            return
        run.finish(answer.segmentation.provenance)
        self.layers_made.emit(self._layers_of(answer, run.image, run.stack))
        proposal = self._case.proposal
        self._tell_proposed(
            isinstance(proposal, ModelProposal) and proposal.finds_anything,
            f"“{run.card.title}” found nothing. Is this image what its card says it is made for? "
            "A lower threshold finds more.",
            before=self._numbered(answer),
        )

    @staticmethod
    def _numbered(answer: Answer) -> str:
        """Say how many objects were numbered, if that was wanted."""
        if answer.objects is None:
            return ""
        return f"{counted(int(answer.objects.max(initial=0)), 'object')} numbered. "

    def _layers_of(self, answer: Answer, image: Image, stack: Stack) -> list[Layer]:
        """Give the layers that were asked for; numbered objects lie on top."""
        layers: list[Layer] = []
        if self._with_probabilities:
            layers += probability_layers(image, stack, answer.segmentation, self._asked)
        if answer.objects is not None:
            found = (answer.segmentation, answer.objects)
            layers.append(objects_layer(image, stack, *found, self._asked))
        return layers
