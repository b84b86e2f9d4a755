"""What the user answers to a proposal: accept all of it, a plane or a piece, or reject it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_medseg.session.edits import Mode
from napari_medseg.widgets.parts.proposals.panel import ProposalPanel
from napari_medseg.widgets.parts.proposals.view import ProposalView
from napari_medseg.widgets.parts.workbench import Workbench

_OTHER_AXIS = (
    "The proposal is of planes along another axis: turn the view back to click its pieces."
)


class ProposalAnswers(QWidget):
    """The proposal on the canvas and the panel that belongs to it; in sight while there is one.

    Parameters
    ----------
    bench : Workbench
        Whose proposal it is, and where it is shown.
    """

    rejected = Signal()
    """The user wants nothing of it, nor what is still on its way."""

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self._bench, self._case, self._message = bench, bench.case, bench.message
        self._running = False
        self.panel = ProposalPanel()
        self.view = ProposalView(
            bench.viewer,
            bench.case,
            {"Enter": self.accept, "Shift-Enter": self.accept_plane, "Escape": self.reject},
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.panel)
        self.view.clicked.connect(self.accept_piece)
        self.view.missed.connect(lambda: self._message.hint(_OTHER_AXIS))
        self.view.deleted.connect(self.reject)
        self.panel.mode_changed.connect(self._on_mode)
        self.panel.accepted.connect(self.accept)
        self.panel.plane_accepted.connect(self.accept_plane)
        self.panel.rejected.connect(self.reject)

    # -- answers --------------------------------------------------------------------------------

    def accept(self) -> None:
        """Write the whole proposal into the labels."""
        if self.panel.accept_button.isEnabled():
            self._accept(None)

    def accept_plane(self) -> None:
        """Write the proposal of the plane on display into the labels."""
        stack = self._bench.stack()
        if stack is not None and self.panel.plane_button.isEnabled():
            self._accept([stack.position])

    def accept_piece(self, position: int, row: int, column: int) -> None:
        """Write one connected piece of the proposal into the labels."""
        if self._why_not_yet():
            self._message.hint(self._why_not_yet())
            return
        had_labels = self._case.labels is not None
        try:
            self._prepare()
            changed = self._case.accept_component(position, row, column)
        except ValueError as error:
            self._message.problem(str(error))
            return
        if changed is not None:
            self._tell(changed, had_labels)

    def reject(self) -> None:
        """Drop the proposal, and what is still on its way."""
        if self._case.proposal is None:
            return
        self.rejected.emit()
        self._case.reject()
        self._message.done("Rejected: your labels are as they were.")

    def answer_key(self, event: QKeyEvent) -> bool:
        """Answer with a key; gives whether it was one that answers."""
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if self._case.proposal is None:
            return False
        if is_enter and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.accept_plane()
        elif is_enter:
            self.accept()
        elif event.key() == Qt.Key.Key_Escape:
            self.reject()
        else:
            return False
        return True

    def _accept(self, positions: list[int] | None) -> None:
        had_labels = self._case.labels is not None
        self._prepare()
        job = self._case.accept_job(positions)
        self._bench.writing.run(
            job, lambda changed: self._tell(changed, had_labels), self._message.problem
        )

    def _tell(self, changed: int, had_labels: bool) -> None:
        layer = self.view.layer
        if layer is not None and not had_labels:
            # New labels have become the active layer, but the next click and key are for the rest.
            self._bench.viewer.layers.selection.active = layer
        if changed:
            text = f"{changed:,} pixels written into your labels. Ctrl+Z takes it back."
            self._message.done(text)
        elif self._case.mode is Mode.KEEP:
            self._message.hint(
                "Nothing was written: nothing is proposed there, or your labels are there already."
            )
        else:
            self._message.hint("Nothing changed.")

    # -- what is possible now -------------------------------------------------------------------

    def refresh(self) -> None:
        """Enable what can be done now, and say in the tooltips what is missing for the rest."""
        proposal = self._case.proposal
        n_planes = len(proposal.positions) if proposal is not None else 0
        why_not = self._case.why_not_acceptable() or self._why_not_yet()
        self.panel.show_state(n_planes, why_not, self._why_not_this_plane(), self._running)
        self.setVisible(proposal is not None)

    def show_running(self, running: bool) -> None:
        """Take note of whether more planes are on their way."""
        self._running = running
        self.refresh()

    def show_keys(self, on: bool) -> None:
        """Turn Enter and Esc on and show them on the buttons, or the opposite."""
        self.panel.show_keys(on)
        self.view.set_keys(on)

    def close_down(self) -> None:
        """Take the proposal off the canvas and stop."""
        self.view.close()

    def _prepare(self) -> None:
        """Do what has to be done before something is accepted."""

    def _why_not_yet(self) -> str:
        """Say what has to be waited for before something is accepted."""
        return ""

    def _why_not_this_plane(self) -> str:
        proposal, stack = self._case.proposal, self._bench.stack()
        if stack is not None and proposal is not None and stack.same_planes(proposal.stack):
            if stack.key(stack.position) in self._case.approved:
                return "This plane is approved."
            if stack.position in proposal.positions:
                return ""
        return "No proposal on this plane."

    def _on_mode(self, mode: Mode) -> None:
        self._case.mode = mode
