"""The dock Segment by example: paint a few planes, let the rest be proposed, accept or reject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QPushButton, QSizePolicy, QWidget

from napari_medseg.session.case import Case
from napari_medseg.session.edits import Mode
from napari_medseg.session.stack import show_plane
from napari_medseg.widgets.parts.adapt_panel import AdaptPanel
from napari_medseg.widgets.parts.approved_plane import ApprovedPlane
from napari_medseg.widgets.parts.by_example_jobs import ByExampleJobs
from napari_medseg.widgets.parts.by_example_layout import lay_out
from napari_medseg.widgets.parts.class_table import ClassTable
from napari_medseg.widgets.parts.copy_offer import CopyOffer
from napari_medseg.widgets.parts.details import Details
from napari_medseg.widgets.parts.example_strip import ExampleStrip
from napari_medseg.widgets.parts.farewell import Farewell
from napari_medseg.widgets.parts.job_progress import JobProgress
from napari_medseg.widgets.parts.layer_follower import LayerFollower, is_image, is_labels_of_user
from napari_medseg.widgets.parts.layer_picker import LayerPicker
from napari_medseg.widgets.parts.messages import Message
from napari_medseg.widgets.parts.proposal_panel import ProposalPanel
from napari_medseg.widgets.parts.proposal_view import ProposalView
from napari_medseg.widgets.parts.shortcuts import Shortcuts, native
from napari_medseg.widgets.parts.writing import Writing

if TYPE_CHECKING:
    import napari.viewer
    from psygnal import SignalInstance

ADD_KEYS, PLANE_KEYS, VOLUME_KEYS = "Ctrl+Shift+E", "Ctrl+Enter", "Ctrl+Shift+Enter"


class SegmentByExample(QWidget):
    """The dock; its state lives in `case`, its jobs in `jobs`, its parts are widgets of their own.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        # A plugin gets a proxy that wraps layers anew at every access; they must stay themselves.
        self.viewer: napari.viewer.Viewer = getattr(viewer, "__wrapped__", viewer)
        self.case = Case()
        self.message = Message()
        self.images = LayerPicker(self.viewer.layers, is_image, "Open an image first")
        self.labels = LayerPicker(self.viewer.layers, is_labels_of_user, "No labels yet")
        self.new_button = QPushButton("New labels")
        self.new_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.classes = ClassTable(self.case.examples)
        self.strip = ExampleStrip()
        self.copy_offer = CopyOffer(self.case)
        self.panel = ProposalPanel()
        self.details = Details()
        self.progress = JobProgress()
        self.writing = Writing(self, self.progress)
        self.jobs = ByExampleJobs(
            self.case,
            self.viewer.dims,
            self.details,
            lambda: self.panel.threshold,
            self.message,
            self,
        )
        self.adaptation = AdaptPanel(self.case.examples, self.jobs.adapt, self.details)
        self.approved = ApprovedPlane(self.case, self.jobs.stack)
        self.view = ProposalView(
            self.viewer,
            self.case,
            {"Enter": self.accept, "Shift-Enter": self.accept_plane, "Escape": self.reject},
        )
        self.follower = LayerFollower(
            self.viewer, self.case, self.images, self.labels, self.classes
        )
        self.follower.keeper.keep_examples(self.case.examples)
        self.shortcuts = Shortcuts(self.viewer, self)
        self._farewell = Farewell(self, self._let_go)
        lay_out(self)
        self._connect()
        self.follower.choose_first_image()
        self._show_keys(self.details.shortcuts.isChecked())
        self.refresh()
        self._tell_first_step()

    # -- what the user does ---------------------------------------------------------------------

    def new_labels(self) -> None:
        """Make a labels layer for the image and take the brush."""
        try:
            self.case.new_labels()
        except ValueError as error:
            self.message.problem(str(error))

    def accept(self) -> None:
        """Write the whole proposal into the labels."""
        if self.panel.accept_button.isEnabled():
            self._accept(None)

    def accept_plane(self) -> None:
        """Write the proposal of the plane on display into the labels."""
        stack = self.jobs.stack()
        if stack is not None and self.panel.plane_button.isEnabled():
            self._accept([stack.position])

    def accept_piece(self, position: int, row: int, column: int) -> None:
        """Write one connected piece of the proposal into the labels."""
        try:
            changed = self.case.accept_component(position, row, column)
        except ValueError as error:
            self.message.problem(str(error))
            return
        if changed is not None:
            self._tell(changed)

    def reject(self) -> None:
        """Drop the proposal, and stop what is still being predicted."""
        if self.case.proposal is None:
            return
        self.jobs.drop_prediction()
        self.case.reject()
        self.message.done("Rejected: your labels are as they were.")

    def event(self, event: QEvent) -> bool:
        """Leave the viewer as it was when the dock is closed."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._farewell.say()
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Accept or reject where no part of the dock wanted the key for itself."""
        is_enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        is_escape = event.key() == Qt.Key.Key_Escape
        if self.case.proposal is None or not self.details.shortcuts.isChecked():
            super().keyPressEvent(event)
        elif is_enter and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.accept_plane()
        elif is_enter:
            self.accept()
        elif is_escape:
            self.reject()
        else:
            super().keyPressEvent(event)

    def _accept(self, positions: list[int] | None) -> None:
        self.writing.run(self.case.accept_job(positions), self._tell, self.message.problem)

    def _tell(self, changed: int) -> None:
        if changed:
            self.message.done(f"{changed:,} pixels written into your labels. Ctrl+Z takes it back.")
        elif self.case.mode is Mode.KEEP:
            self.message.hint("Nothing changed: your labels are there already, and they are kept.")
        else:
            self.message.hint("Nothing changed.")

    def _tell_first_step(self) -> None:
        if self.case.image is None:
            self.message.hint("Open an image: drop a file on the window, or File > Open Sample.")
        elif self.case.labels is None:
            self.message.hint("Press New labels, then paint the class on one plane.")
        else:
            self.message.hint("Paint the class on this plane, then press Add example.")

    def _go_to_example(self, index: int) -> None:
        origin = self.case.examples.entries[index].origin
        image = self.case.image
        if origin is None or image is None or not origin.is_of(image):
            self.message.hint("This example was painted on an image that is not chosen now.")
            return
        show_plane(image, self.viewer.dims, origin.key)

    def _on_threshold(self, threshold: float) -> None:
        if self.case.proposal is not None:
            self.case.proposal.threshold = threshold
            self.view.recut()

    def _on_mode(self, mode: Mode) -> None:
        self.case.mode = mode

    # -- what is possible now -------------------------------------------------------------------

    def refresh(self, event: object = None) -> None:
        """Enable what can be done now, and say in the tooltips what is missing for the rest."""
        case, stack = self.case, self.jobs.stack()
        no_image = (
            "" if case.image is not None else "Open an image first: drop a file on the window."
        )
        no_labels = no_image or (
            "" if case.labels is not None else "Press New labels and paint this plane first."
        )
        no_examples = "" if len(case.examples) else "Add an example first: paint one plane."
        no_model = "" if self.details.has_model else "No model for this is installed."
        cannot = no_image or no_examples or no_model
        flat = "" if stack is None or stack.axis is not None else "The image is a single plane."
        too_few = "" if len(case.examples) > 1 else "At least two examples are needed."
        self.new_button.setEnabled(not no_image)
        self.new_button.setToolTip(no_image or "Make an empty labels layer and take the brush")
        self.jobs.add.set_missing(no_labels)
        self.jobs.plane.set_missing(cannot)
        self.jobs.volume.set_missing(cannot or flat)
        self.jobs.check.set_missing(no_model or too_few)
        self.jobs.next_plane.set_missing(cannot or flat or too_few)
        self.jobs.adapt.set_missing(no_examples or no_model)
        self.jobs.save.set_missing(no_examples)
        self.copy_offer.refresh()
        self._refresh_panel(self.approved.refresh())

    def _refresh_panel(self, approved: bool) -> None:
        proposal, stack = self.case.proposal, self.jobs.stack()
        positions = proposal.positions if proposal is not None else []
        here = stack is not None and proposal is not None and stack.same_planes(proposal.stack)
        missing_plane = "" if here and stack.position in positions else "No proposal on this plane."
        if approved:
            missing_plane = "This plane is approved."
        self.panel.show_state(
            len(positions), self.case.why_not_acceptable(), missing_plane, self.jobs.is_predicting
        )
        self.panel.setVisible(proposal is not None)

    # -- wiring -----------------------------------------------------------------------------------

    def _connect(self) -> None:
        examples = self.case.examples
        for signal in self._signals():
            signal.connect(self.refresh)
        for signal in (self.case.image_changed, self.case.labels_changed):
            signal.connect(self._tell_first_step)
        for button in self.jobs.buttons:
            button.started.connect(self.refresh)
            button.started.connect(lambda: self.message.hint(""))
            button.ended.connect(self.refresh)
            self.progress.follow(button)
        self.progress.follow(self.writing)
        examples.changed.connect(self._show_examples)
        examples.scores_changed.connect(self._show_examples)
        self.view.clicked.connect(self.accept_piece)
        self.new_button.clicked.connect(self.new_labels)
        self.strip.removed.connect(examples.remove)
        self.strip.chosen.connect(self._go_to_example)
        self.classes.problem.connect(self.message.problem)
        self.panel.threshold_changed.connect(self._on_threshold)
        self.panel.mode_changed.connect(self._on_mode)
        self.panel.accepted.connect(self.accept)
        self.panel.plane_accepted.connect(self.accept_plane)
        self.panel.rejected.connect(self.reject)
        self.details.shortcuts_toggled.connect(self._show_keys)
        self.viewer.dims.events.current_step.connect(self.refresh)
        self.viewer.dims.events.order.connect(self.refresh)
        self.shortcuts.add(ADD_KEYS, self.jobs.add.start)
        self.shortcuts.add(PLANE_KEYS, self.jobs.plane.start)
        self.shortcuts.add(VOLUME_KEYS, self.jobs.volume.start)

    def _let_go(self) -> None:
        """Leave nothing of the dock behind in the viewer; its own widgets may be gone already."""
        for event in ("current_step", "order"):
            getattr(self.viewer.dims.events, event).disconnect(self.refresh)
        for signal in (*self._signals(), self.case.examples.scores_changed):
            signal.disconnect()
        self.case.examples.classes_changed.disconnect()
        self.case.examples.adaptation_changed.disconnect()
        self.follower.close()
        self.view.close()
        self.shortcuts.release_canvas()
        self.jobs.drop_prediction()

    def _signals(self) -> tuple[SignalInstance, ...]:
        """Give what changes what is possible."""
        case = self.case
        return (
            case.image_changed,
            case.labels_changed,
            case.proposal_changed,
            case.approved_changed,
            case.examples.changed,
        )

    def _show_examples(self) -> None:
        self.strip.show_entries(self.case.examples.entries)

    def _show_keys(self, on: bool) -> None:
        """Turn the keys on and write them on the buttons, or the opposite."""
        for button, text, keys, tip in (
            (self.jobs.add, "Add example", ADD_KEYS, "Take the paint of this plane as an example"),
            (self.jobs.plane, "Predict this plane", PLANE_KEYS, "Propose labels for this plane"),
            (self.jobs.volume, "Predict the volume", VOLUME_KEYS, "Propose labels for all planes"),
        ):
            button.set_idle(f"{text}  ({native(keys)})" if on else text, tip)
        self.panel.show_keys(on)
        self.view.set_keys(on)
        if on:
            self.shortcuts.turn_on()
        else:
            self.shortcuts.turn_off()
        self.refresh()
