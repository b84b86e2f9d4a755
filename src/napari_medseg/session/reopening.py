"""Proposals that are open again when what was accepted of them is undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from napari_medseg.io.notes import Witness
from napari_medseg.session.proposal import Proposal
from napari_medseg.session.undo_step import Written


@dataclass(frozen=True)
class _Accepted:
    """A plane of a proposal, as it was before it or a piece of it was accepted."""

    proposal: Proposal
    position: int
    kept: Any
    witness: Witness


class Reopening:
    """Remembers what was accepted, plane by plane or piece by piece, latest last."""

    def __init__(self) -> None:
        self._accepted: list[_Accepted] = []

    def forget(self) -> None:
        """Open nothing again of what was accepted until now."""
        self._accepted = []

    def remember(self, proposal: Proposal, kept: Mapping[int, Any], written: Written) -> None:
        """Take note of planes as they were (`Proposal.kept`), and of what was written of them.

        A volume accepted as a whole is not kept: its probabilities would hold too much memory.
        """
        if written.witness is not None and len(kept) == 1:
            ((position, plane),) = kept.items()
            self._accepted.append(_Accepted(proposal, position, plane, written.witness))

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
            if (found or opened or last.proposal) is last.proposal:
                found = last.proposal
                found.bring_back(last.position, last.kept)
        return found
