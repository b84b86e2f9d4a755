"""A prediction on its way into a case: finished planes become the open proposal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_medseg.engine.results import Provenance

if TYPE_CHECKING:
    from napari_medseg.engine.by_example.support import SupportSet
    from napari_medseg.session.case import Case
    from napari_medseg.session.layers.stack import Stack
    from napari_medseg.session.proposal import PlaneProposal


class Arrivals:
    """Planes that a job finishes, as long as the user still wants them.

    Parameters
    ----------
    case : Case
        Where they go.
    stack : Stack
        The planes that are predicted, of the image that is chosen now.
    fresh : bool
        Whether the first finished plane replaces an open proposal, or joins it.
    provenance : Provenance
        What is known of the result before the job has ended.
    """

    def __init__(self, case: Case, stack: Stack, fresh: bool, provenance: Provenance) -> None:
        self.image, self.stack = case.image, stack
        self._case, self._fresh, self._provenance = case, fresh, provenance
        self._wanted = True

    @property
    def is_wanted(self) -> bool:
        """Whether its planes still go anywhere: not after a reject, nor for another image."""
        return self._wanted and self.image is self._case.image

    def drop(self) -> None:
        """Take no more planes."""
        self._wanted = False

    def finish(self, provenance: Provenance) -> None:
        """Take over what the finished job says of itself."""
        if self.is_wanted and self._case.proposal is not None:
            self._case.proposal.provenance = provenance


class Prediction(Arrivals):
    """What the examples show, plane by plane.

    Parameters
    ----------
    case, stack, fresh, provenance :
        As in `Arrivals`.
    n_classes : int
        Number of classes, without the background.
    support : SupportSet, optional
        The examples that it is made from.
    """

    def __init__(
        self,
        case: Case,
        stack: Stack,
        n_classes: int,
        fresh: bool,
        provenance: Provenance,
        support: SupportSet | None = None,
    ) -> None:
        super().__init__(case, stack, fresh, provenance)
        self._values = range(1, n_classes + 1)
        self._support = support

    def take(self, plane: PlaneProposal, threshold: float) -> None:
        """Put a finished plane into the proposal."""
        if not self.is_wanted:
            return
        if self._fresh:
            self._case.reject()
            self._fresh = False
        proposal = self._case.open_proposal(self.stack, self._values, threshold)
        proposal.provenance = self._provenance
        proposal.support = self._support
        self._case.propose(plane)
