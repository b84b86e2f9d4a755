"""A pretrained model's answer on its way into a case."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_medseg.engine.results import Provenance
from napari_medseg.session.by_example.prediction import Arrivals
from napari_medseg.session.with_model.classes import planned_values
from napari_medseg.session.with_model.proposal import Cut, ModelPlane, ModelProposal

if TYPE_CHECKING:
    from napari_medseg.session.case import Case
    from napari_medseg.session.layers.stack import Stack
    from napari_medseg.zoo.cards import ModelCard


class ModelRun(Arrivals):
    """What a pretrained model says, plane by plane.

    Parameters
    ----------
    case, stack :
        As in `Arrivals`.
    card : ModelCard
        The model.
    fresh : bool
        Whether the first finished plane replaces an open proposal of the same model and planes, or
        joins it.
    """

    def __init__(self, case: Case, stack: Stack, card: ModelCard, fresh: bool) -> None:
        super().__init__(case, stack, fresh, Provenance("segment", card.name, card.sha256))
        self.card = card

    def take(self, plane: ModelPlane, cut: Cut) -> None:
        """Put a finished plane into the proposal."""
        if not self.is_wanted:
            return
        proposal = self._case.proposal
        if self._fresh or not self._continues(proposal):
            self._case.reject()
            values = planned_values(self._case, self.card.classes)
            proposal = ModelProposal(self.stack, values, cut, self.card.classes)
            self._case.proposal = proposal
            self._fresh = False
        assert isinstance(proposal, ModelProposal)
        proposal.set_cut(cut)
        proposal.provenance = self._provenance
        self._case.propose(plane)

    def _continues(self, proposal: object) -> bool:
        if not isinstance(proposal, ModelProposal) or proposal.provenance is None:
            return False
        same_model = proposal.provenance.weights_sha256 == self.card.sha256
        return same_model and proposal.stack.same_planes(self.stack)
