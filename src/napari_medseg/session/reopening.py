"""Proposals that are open again when what was accepted of them is undone, until it is redone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.notes import Witness
from napari_medseg.session.proposal import Proposal
from napari_medseg.session.undo_step import Written


@dataclass(frozen=True)
class _Accepted:
    """A plane of a proposal, before and after it or a piece of it was accepted."""

    proposal: Proposal
    position: int
    before: Any
    after: Any
    witness: Witness
    written: NDArray[np.integer]

    def is_back_in(self, labels: Any) -> bool:
        """Tell whether labels hold what was written, voxel for voxel of the witness."""
        try:
            return np.array_equal(labels[self.witness.where], self.written)
        except (IndexError, TypeError):  # another array has taken the place of the labels
            return False


class Reopening:
    """Remembers what was accepted, plane by plane or piece by piece, latest last."""

    def __init__(self) -> None:
        self._accepted: list[_Accepted] = []
        self._undone: list[_Accepted] = []

    def forget(self) -> None:
        """Open nothing again of what was accepted until now."""
        self._accepted, self._undone = [], []

    def remember(
        self, proposal: Proposal, kept: Mapping[int, Any], written: Written, labels: Any
    ) -> None:
        """Take note of planes as they were (`Proposal.kept`), and of what was written of them.

        A volume accepted as a whole is not kept: its probabilities would hold too much memory.
        """
        self._undone = []
        if written.witness is not None and len(kept) == 1:
            ((position, before),) = kept.items()
            values = np.array(labels[written.witness.where])
            after = proposal.kept(position)
            accepted = _Accepted(proposal, position, before, after, written.witness, values)
            self._accepted.append(accepted)

    def undone(self, labels: Any, opened: Proposal | None) -> Proposal | None:
        """Give the proposal with all in it again that is no more in the labels.

        Parameters
        ----------
        labels : array
            As they are now.
        opened : Proposal, optional
            The one that is open; another is not put in its place.

        Returns
        -------
        Proposal or None
            None where there is nothing to open again.
        """
        found = None
        while self._accepted and not self._accepted[-1].witness.is_left_in(labels):
            last = self._accepted.pop()
            self._undone.append(last)
            if (found or opened or last.proposal) is last.proposal:
                found = last.proposal
                found.bring_back(last.position, last.before)
        return found

    def redone(self, labels: Any) -> bool:
        """Take out of its proposal what is in the labels again; gives whether there was any."""
        count = len(self._undone)
        while self._undone and self._undone[-1].is_back_in(labels):
            last = self._undone.pop()
            self._accepted.append(last)
            last.proposal.bring_back(last.position, last.after)
        return len(self._undone) < count
