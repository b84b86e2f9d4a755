"""The dock Segment by example: paint a few planes, let the rest be proposed, accept or reject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QPushButton, QSizePolicy

from napari_medseg.session.case import NO_IMAGE, Case
from napari_medseg.session.stack import show_plane
from napari_medseg.widgets.parts.adapt_panel import AdaptPanel
from napari_medseg.widgets.parts.approved_plane import ApprovedPlane
from napari_medseg.widgets.parts.arrange import form, group, row
from napari_medseg.widgets.parts.by_example_jobs import ByExampleJobs
from napari_medseg.widgets.parts.class_table import ClassTable
from napari_medseg.widgets.parts.copy_offer import CopyOffer
from napari_medseg.widgets.parts.details import Details
from napari_medseg.widgets.parts.dock import Dock
from napari_medseg.widgets.parts.example_strip import ExampleStrip
from napari_medseg.widgets.parts.layer_follower import LayerFollower, is_image, is_labels_of_user
from napari_medseg.widgets.parts.layer_picker import LayerPicker
from napari_medseg.widgets.parts.proposal_answers import ProposalAnswers
from napari_medseg.widgets.parts.shortcuts import Shortcuts
from napari_medseg.widgets.parts.writing import Writing

if TYPE_CHECKING:
    import napari.viewer

ADD_KEYS, PLANE_KEYS, VOLUME_KEYS = "Ctrl+Shift+E", "Ctrl+Enter", "Ctrl+Shift+Enter"


class SegmentByExample(Dock):
    """The dock; its state lives in `case`, its jobs in `jobs`, its parts are widgets of their own.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.case = Case()
        self.images = LayerPicker(self.viewer.layers, is_image, "Open an image first")
        self.labels = LayerPicker(self.viewer.layers, is_labels_of_user, "No labels yet")
        self.new_button = QPushButton("New labels")
        self.new_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.classes = ClassTable(self.case.examples)
        self.strip = ExampleStrip()
        self.copy_offer = CopyOffer(self.case)
        self.details = Details()
        self.writing = Writing(self, self.progress)
        self.jobs = ByExampleJobs(
            self.case,
            self.viewer.dims,
            self.details,
            lambda: self.panel.threshold,
            self.message,
            self,
            self.gate,
        )
        self.answers = ProposalAnswers(
            self.viewer, self.case, self.jobs.stack, self.message, self.writing
        )
        self.panel, self.view = self.answers.panel, self.answers.view
        self.adaptation = AdaptPanel(self.case.examples, self.jobs.adapt, self.details)
        self.approved = ApprovedPlane(self.case, self.jobs.stack)
        self.follower = LayerFollower(
            self.viewer, self.case, self.images, self.labels, self.classes
        )
        self.follower.keeper.keep_examples(self.case.examples)
        self.shortcuts = Shortcuts(self.viewer, self)
        self._lay_out()
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

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Accept or reject where no part of the dock wanted the key for itself."""
        wanted = self.details.shortcuts.isChecked()
        if not (wanted and self.answers.answer_key(event)):
            super().keyPressEvent(event)

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

    # -- what is possible now -------------------------------------------------------------------

    def refresh(self, event: object = None) -> None:
        """Enable what can be done now, and say in the tooltips what is missing for the rest."""
        case, stack = self.case, self.jobs.stack()
        no_image = "" if case.image is not None else NO_IMAGE
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
        self.approved.refresh()
        self.answers.show_running(self.jobs.is_predicting)

    # -- layout and wiring ------------------------------------------------------------------------

    def _lay_out(self) -> None:
        jobs = self.jobs
        files = row(jobs.save, jobs.load, jobs.check)
        scroll = self.put(
            form(("Image", self.images), ("Labels", row(self.labels, self.new_button))),
            self.copy_offer,
            self.classes,
            group("Examples", self.strip, jobs.add, files, self.adaptation),
            group("Predict", jobs.plane, jobs.volume, jobs.next_plane),
            self.approved,
            self.details,
            in_sight=(self.answers,),
        )
        self.details.toggled.connect(lambda _: scroll.show_later(self.details))

    def _connect(self) -> None:
        examples = self.case.examples
        for signal in (
            self.case.image_changed,
            self.case.labels_changed,
            self.case.proposal_changed,
            self.case.approved_changed,
            examples.changed,
        ):
            signal.connect(self.refresh)
        for signal in (self.case.image_changed, self.case.labels_changed):
            signal.connect(self._tell_first_step)
        for button in self.jobs.buttons:
            button.started.connect(self.refresh)
            button.started.connect(lambda: self.message.hint(""))
            button.ended.connect(self.refresh)
        self.follow(*self.jobs.buttons)
        self.progress.follow(self.writing)
        examples.changed.connect(self._show_examples)
        examples.scores_changed.connect(self._show_examples)
        self.new_button.clicked.connect(self.new_labels)
        self.strip.removed.connect(examples.remove)
        self.strip.chosen.connect(self._go_to_example)
        self.classes.problem.connect(self.message.problem)
        self.panel.threshold_changed.connect(self._on_threshold)
        self.answers.rejected.connect(self.jobs.drop_prediction)
        self.details.shortcuts_toggled.connect(self._show_keys)
        self.viewer.dims.events.current_step.connect(self.refresh)
        self.viewer.dims.events.order.connect(self.refresh)
        for button, text, keys, tip in (
            (self.jobs.add, "Add example", ADD_KEYS, "Take the paint of this plane as an example"),
            (self.jobs.plane, "Predict this plane", PLANE_KEYS, "Propose labels for this plane"),
            (self.jobs.volume, "Predict the volume", VOLUME_KEYS, "Propose labels for all planes"),
        ):
            self.shortcuts.add_job(button, text, keys, tip)

    def let_go(self) -> None:
        """Leave nothing of the dock behind in the viewer; its own widgets may be gone already."""
        for event in ("current_step", "order"):
            getattr(self.viewer.dims.events, event).disconnect(self.refresh)
        self.case.forget_listeners()
        self.follower.close()
        self.answers.close_down()
        self.shortcuts.release_canvas()
        self.jobs.drop_prediction()

    def _show_examples(self) -> None:
        self.strip.show_entries(self.case.examples.entries)

    def _show_keys(self, on: bool) -> None:
        """Turn the keys on and write them on the buttons, or the opposite."""
        self.shortcuts.set_on(on)
        self.answers.show_keys(on)
        self.refresh()
