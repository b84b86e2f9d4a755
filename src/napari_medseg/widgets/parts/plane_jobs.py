"""What the jobs of two docks share that propose labels for planes."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QWidget

from napari_medseg.engine.order import nearest_first
from napari_medseg.session.case import NO_IMAGE, Case
from napari_medseg.session.stack import Stack, stack_on_display
from napari_medseg.widgets.parts.messages import Message

if TYPE_CHECKING:
    from napari.components import Dims


class PlaneJobs(QObject):
    """Says which planes there are to propose labels for, and what became of it.

    Parameters
    ----------
    case : Case
        What is worked on.
    dims : napari Dims
        The viewer's sliders, which say what plane is on display.
    message : Message
        Where results are told.
    parent : QWidget
        The dock.
    """

    def __init__(self, case: Case, dims: Dims, message: Message, parent: QWidget) -> None:
        super().__init__(parent)
        self._case, self._dims, self._message = case, dims, message

    def stack(self) -> Stack | None:
        """Give the planes on display; None without an image."""
        return None if self._case.image is None else stack_on_display(self._case.image, self._dims)

    def _required_stack(self) -> Stack:
        stack = self.stack()
        if stack is None:
            raise ValueError(NO_IMAGE)
        return stack

    def _is_approved(self, stack: Stack, position: int) -> bool:
        return stack.key(position) in self._case.approved

    def _open_planes(
        self, stack: Stack, near: Collection[int], without: Collection[int] = ()
    ) -> list[int]:
        """Give the planes that may be proposed for, those nearest to some first."""
        return [
            position
            for position in nearest_first(stack.n_planes, near)
            if position not in without and not self._is_approved(stack, position)
        ]

    def _tell_proposed(self, anything: bool, otherwise: str) -> None:
        if anything:
            self._message.hint("Accept writes the proposal; a click on a piece accepts only that.")
        else:
            self._message.hint(otherwise)

    def _tell_cancelled(self) -> None:
        n_planes = len(self._case.proposal.positions) if self._case.proposal else 0
        kept = f" {n_planes} planes are proposed: accept or reject them." if n_planes else ""
        self._message.hint(f"Cancelled.{kept}")
