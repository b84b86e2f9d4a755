"""A tick that says a plane is finished, and keeps brush and prediction off it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QSizePolicy

from napari_medseg.widgets.parts.workbench import Workbench

if TYPE_CHECKING:
    from napari.layers import Labels


class ApprovedPlane(QCheckBox):
    """Shows and sets whether the plane on display is approved.

    Parameters
    ----------
    bench : Workbench
        Whose labels they are, and which plane is on display.
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__("This plane is approved")
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self._case, self._stack = bench.case, bench.stack
        self._locked: Labels | None = None
        self._mode_before = "paint"
        self.clicked.connect(self._on_clicked)

    def refresh(self) -> bool:
        """Take over the state of the plane on display; gives whether it is approved."""
        stack, labels = self._stack(), self._case.labels
        approved = stack is not None and stack.key(stack.position) in self._case.approved
        self.setChecked(approved)
        self.setEnabled(stack is not None and labels is not None)
        self.setToolTip(
            "Lock this plane against brush and prediction"
            if self.isEnabled()
            else "Press New labels first."
        )
        self._lock(approved)
        return approved

    def _on_clicked(self, approved: bool) -> None:
        stack = self._stack()
        if stack is not None:
            self._case.set_approved(stack.key(stack.position), approved)

    def give_back(self) -> None:
        """Give the brush back to the labels that it was taken from."""
        labels, self._locked = self._locked, None
        if labels is not None:
            labels.editable = True
            labels.mode = self._mode_before

    def _lock(self, approved: bool) -> None:
        """Take the brush away on an approved plane, and give it back on the others."""
        labels = self._case.labels
        if not approved or labels is not self._locked:
            self.give_back()
        if not approved or labels is None or labels.multiscale or not labels.editable:
            return
        if self._locked is None:
            self._locked, self._mode_before = labels, str(labels.mode)
        labels.editable = False  # again, where napari gave it back as the view was turned
