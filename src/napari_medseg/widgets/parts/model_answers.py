"""What the user answers to a model's proposal: how to cut it, accept, or reject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_medseg.session.case import Case
from napari_medseg.session.colours import colour_of
from napari_medseg.session.edits import Mode
from napari_medseg.session.model_classes import adopt_classes, planned_values
from napari_medseg.session.model_proposal import Cut, ModelProposal
from napari_medseg.session.stack import Stack
from napari_medseg.widgets.parts.cleaner import Cleaner
from napari_medseg.widgets.parts.live_options import LiveOptions
from napari_medseg.widgets.parts.messages import Message
from napari_medseg.widgets.parts.proposal_panel import ProposalPanel
from napari_medseg.widgets.parts.proposal_view import ProposalView
from napari_medseg.widgets.parts.writing import Writing
from napari_medseg.zoo.cards import ModelCard

if TYPE_CHECKING:
    from napari.viewer import Viewer

_SLIDER_TIP = "Lower: more is proposed. Higher: only what is certain."
_TOO_LARGE = "Too large to keep probabilities: segment again to use another threshold."


class ModelAnswers(QWidget):
    """The proposal on the canvas and the panel that belongs to it; in sight while there is one.

    Parameters
    ----------
    viewer : napari viewer
        Where the proposal is shown.
    case : Case
        Whose proposal it is.
    stack : callable
        Gives the planes on display, None without an image.
    message : Message
        Where results are told.
    writing : Writing
        Writes into the labels.
    """

    rejected = Signal()
    """The user wants nothing of it, nor what is still on its way."""

    def __init__(
        self,
        viewer: Viewer,
        case: Case,
        stack: Callable[[], Stack | None],
        message: Message,
        writing: Writing,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._case, self._stack = viewer, case, stack
        self._message, self._writing = message, writing
        self._card: ModelCard | None = None
        self._running = False
        self.legend = QLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)
        self.legend.setWordWrap(True)
        self.legend.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.live = LiveOptions()
        self.panel = ProposalPanel()
        self.cleaner = Cleaner(case, self)
        self.view = ProposalView(
            viewer,
            case,
            {"Enter": self.accept, "Shift-Enter": self.accept_plane, "Escape": self.reject},
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.legend)
        layout.addWidget(self.live)
        layout.addWidget(self.panel)
        self._connect()

    @property
    def cut(self) -> Cut:
        """How labels are made of probabilities, as it is set now."""
        return self.live.cut(self.panel.threshold)

    def show_model(self, card: ModelCard | None, running: bool) -> None:
        """Take note of the model that runs, or has run last."""
        self._card, self._running = card, running
        self.cleaner.paused = running
        self.live.show_model(card)
        self.cleaner.refresh()
        self.refresh()

    def show_keys(self, on: bool) -> None:
        """Turn Enter and Esc on and show them on the buttons, or the opposite."""
        self.panel.show_keys(on)
        self.view.set_keys(on)

    def close_down(self) -> None:
        """Take the proposal off the canvas and stop."""
        self.view.close()
        self.cleaner.close()

    # -- answers --------------------------------------------------------------------------------

    def accept(self) -> None:
        """Write the whole proposal into the labels."""
        if self.panel.accept_button.isEnabled():
            self._accept(None)

    def accept_plane(self) -> None:
        """Write the proposal of the plane on display into the labels."""
        stack = self._stack()
        if stack is not None and self.panel.plane_button.isEnabled():
            self._accept([stack.position])

    def accept_piece(self, position: int, row: int, column: int) -> None:
        """Write one connected piece of the proposal into the labels."""
        if self._why_not_yet():
            self._message.hint(self._why_not_yet())
            return
        try:
            self._adopt_classes()
            changed = self._case.accept_component(position, row, column)
        except ValueError as error:
            self._message.problem(str(error))
            return
        if changed is not None:
            self._tell(changed)

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
        self._adopt_classes()
        job = self._case.accept_job(positions)
        self._writing.run(job, self._tell, self._message.problem)

    def _adopt_classes(self) -> None:
        """Give the labels the names of the model's classes, as soon as something is accepted."""
        proposal = self._case.proposal
        if isinstance(proposal, ModelProposal):
            adopt_classes(self._case, proposal.class_names, proposal.values)

    def _tell(self, changed: int) -> None:
        layer = self.view.layer
        if layer is not None:
            # New labels have become the active layer, but the next click and key are for the rest.
            self._viewer.layers.selection.active = layer
        if changed:
            text = f"{changed:,} pixels written into your labels. Ctrl+Z takes it back."
            self._message.done(text)
        elif self._case.mode is Mode.KEEP:
            self._message.hint(
                "Nothing was written: nothing is proposed there, or your labels are there already."
            )
        else:
            self._message.hint("Nothing changed.")

    # -- changes --------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Enable what can be done now, and say in the tooltips what is missing for the rest."""
        proposal, stack = self._case.proposal, self._stack()
        positions = proposal.positions if proposal is not None else []
        here = stack is not None and proposal is not None and stack.same_planes(proposal.stack)
        missing_plane = "No proposal on this plane."
        if here and stack is not None:
            if stack.key(stack.position) in self._case.approved:
                missing_plane = "This plane is approved."
            elif stack.position in positions:
                missing_plane = ""
        why_not = self._case.why_not_acceptable() or self._why_not_yet()
        self.panel.show_state(len(positions), why_not, missing_plane, self._running)
        if isinstance(proposal, ModelProposal):
            self.legend.setText(_legend(proposal))
        graded = not isinstance(proposal, ModelProposal) or proposal.is_graded
        self.panel.slider.setToolTip(_SLIDER_TIP if graded else _TOO_LARGE)
        self.setVisible(proposal is not None)

    def _why_not_yet(self) -> str:
        if not self.cleaner.is_behind:
            return ""
        if self._running:
            return "It is cleaned up when all planes are there: wait, or cancel."
        return "Cleaning up: wait a moment."

    def _on_proposal(self) -> None:
        self.cleaner.refresh()
        self.refresh()

    def _on_labels(self) -> None:
        """Give the classes the values that they have in the labels chosen now."""
        proposal = self._case.proposal
        if isinstance(proposal, ModelProposal):
            values = planned_values(self._case, proposal.class_names)
            if values != proposal.values:
                proposal.set_values(values)
                self._case.proposal_changed.emit()
        self.refresh()

    def _on_threshold(self, _: float) -> None:
        self.live.leave_automatic()
        self._on_live()

    def _on_live(self) -> None:
        proposal = self._case.proposal
        if not isinstance(proposal, ModelProposal):
            return
        wanted = self.cut
        if not proposal.is_graded:
            if wanted.threshold != proposal.cut.threshold:
                self._message.hint(_TOO_LARGE)
            wanted = replace(wanted, threshold=proposal.cut.threshold)
        proposal.set_cut(wanted)
        self.cleaner.refresh()
        self._recut()

    def _recut(self) -> None:
        self.view.recut()
        self.refresh()

    def _on_mode(self, mode: Mode) -> None:
        self._case.mode = mode

    def _connect(self) -> None:
        self._case.proposal_changed.connect(self._on_proposal)
        self._case.labels_changed.connect(self._on_labels)
        self.live.changed.connect(self._on_live)
        self.cleaner.settled.connect(self._recut)
        self.view.clicked.connect(self.accept_piece)
        self.panel.threshold_changed.connect(self._on_threshold)
        self.panel.mode_changed.connect(self._on_mode)
        self.panel.accepted.connect(self.accept)
        self.panel.plane_accepted.connect(self.accept_plane)
        self.panel.rejected.connect(self.reject)


def _legend(proposal: ModelProposal) -> str:
    """Say in which colour each class is drawn."""
    return " &nbsp; ".join(
        f'<span style="color: {colour_of(value)}">■</span>&nbsp;{escape(name)}'
        for name, value in zip(proposal.class_names, proposal.values, strict=True)
    )
