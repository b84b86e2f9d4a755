"""Proposals that are open again when what was accepted of them is undone, until it is redone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_medseg.io.notes import Witness
from napari_medseg.session.layers.stack import full_resolution
from napari_medseg.session.proposal import Proposal
from napari_medseg.session.undo_step import Written, is_last_step, step_to_redo

if TYPE_CHECKING:
    from napari.layers import Labels


@dataclass(frozen=True)
class _Accepted:
    """A plane of a proposal, before and after it or a piece of it was accepted."""

    proposal: Proposal
    position: int
    before: Any
    after: Any
    witness: Witness
    undone_by: object = None


class Reopening:
    """Remembers what was accepted, plane by plane or piece by piece, latest last."""

    def __init__(self) -> None:
        self._accepted: list[_Accepted] = []
        self._undone: list[_Accepted] = []

    def forget(self) -> None:
        """Open nothing again of what was accepted until now."""
        self._accepted, self._undone = [], []

    def remember(self, proposal: Proposal, kept: Mapping[int, Any], written: Written) -> None:
        """Take note of planes as they were (`Proposal.kept`), and of what was written of them.

        A volume accepted as a whole is not kept: its probabilities would hold too much memory.
        """
        self._undone = []
        if written.witness is not None and len(kept) == 1:
            ((position, before),) = kept.items()
            after = proposal.kept(position)
            self._accepted.append(_Accepted(proposal, position, before, after, written.witness))

    def undone(self, labels: Labels, opened: Proposal | None) -> Proposal | None:
        """Give the proposal with all in it again that is no more in the labels.

        Parameters
        ----------
        labels : napari Labels
            Just after an undo.
        opened : Proposal, optional
            The one that is open; another is not put in its place.

        Returns
        -------
        Proposal or None
            None where there is nothing to open again.
        """
        found = None
        data = full_resolution(labels)
        while self._accepted and not self._accepted[-1].witness.is_left_in(data):
            last = self._accepted.pop()
            self._undone.append(replace(last, undone_by=step_to_redo(labels)))
            if (found or opened or last.proposal) is last.proposal:
                found = last.proposal
                found.bring_back(last.position, last.before)
        return found

    def redone(self, labels: Labels) -> Proposal | None:
        """Take out of its proposal what was just redone; gives that proposal, None without any."""
        if not self._undone or not is_last_step(labels, self._undone[-1].undone_by):
            return None
        last = self._undone.pop()
        self._accepted.append(last)
        last.proposal.bring_back(last.position, last.after)
        return last.proposal
