"""The dock Segment by example: paint a few planes, let the rest be proposed, accept or reject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QPushButton, QSizePolicy

from napari_medseg.session.case import NO_IMAGE
from napari_medseg.session.layers.stack import show_plane
from napari_medseg.widgets.parts.arrange import form, group, row
from napari_medseg.widgets.parts.by_example.adapt_panel import AdaptPanel
from napari_medseg.widgets.parts.by_example.approved_plane import ApprovedPlane
from napari_medseg.widgets.parts.by_example.details import Details
from napari_medseg.widgets.parts.by_example.example_strip import ExampleStrip
from napari_medseg.widgets.parts.by_example.jobs import ByExampleJobs
from napari_medseg.widgets.parts.copy_offer import CopyOffer
from napari_medseg.widgets.parts.proposals.answers import ProposalAnswers
from napari_medseg.widgets.parts.proposals.dock import ProposalDock

if TYPE_CHECKING:
    import napari.viewer

ADD_KEYS = "Ctrl+Shift+E"


class SegmentByExample(ProposalDock):
    """The dock; its state lives in `case`, its jobs in `jobs`, its parts are widgets of their own.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.
    """

    tab = "Example"

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, "No labels yet", brush=True)
        self.follower.keeper.keep_examples(self.case.examples)
        self.new_button = QPushButton("New labels")
        self.new_button.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.strip = ExampleStrip()
        self.copy_offer = CopyOffer(self.case)
        self.details = Details()
        self.keys_box = self.details.shortcuts
        self.jobs = ByExampleJobs(self.bench, self.details, lambda: self.panel.threshold)
        self.answers = ProposalAnswers(self.bench)
        self.panel, self.view = self.answers.panel, self.answers.view
        self.adaptation = AdaptPanel(self.case.examples, self.jobs.adapt, self.details)
        self.approved = ApprovedPlane(self.bench)
        self._lay_out()
        self._connect()
        self.begin()

    # -- what the user does ---------------------------------------------------------------------

    def new_labels(self) -> None:
        """Make a labels layer for the image and take the brush."""
        try:
            self.case.new_labels()
        except ValueError as error:
            self.message.problem(str(error))

    def tell_first_step(self) -> None:
        """Say what the user does first."""
        if self.case.image is None:
            self.message.hint("Open an image: drop a file on the window, or File > Open Sample.")
        elif other_names := self.case.why_other_names():
            self.message.problem(other_names)
        elif self.case.labels is None and len(self.case.examples):
            self.message.hint("Press Predict this plane, or New labels to paint one more example.")
        elif self.case.labels is None:
            self.message.hint("Press New labels, then paint the class on one plane.")
        else:
            self.message.hint("Once the class is painted on this plane, press Add example.")

    def let_go(self) -> None:
        """Leave nothing of the dock behind in the viewer; its own widgets may be gone already."""
        self.approved.give_back()
        super().let_go()

    def _on_image(self) -> None:
        """Stop what is computed for the image before: nobody waits for it any more."""
        was_busy = self.jobs.is_predicting or self.jobs.next_plane.is_running
        self.jobs.drop()
        self.jobs.next_plane.cancel()
        self.tell_first_step()
        if was_busy and not self.case.why_other_names():
            self.message.hint(f"What ran was stopped with its image. {self.message.text()}")

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
        case, stack = self.case, self.bench.stack()
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
        super().refresh()

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
            examples.changed,
        ):
            signal.connect(self.refresh)
        self.case.image_changed.connect(self._on_image)
        self.case.labels_changed.connect(self.tell_first_step)
        tip = "Take the paint of this plane as an example"
        self.shortcuts.add_job(self.jobs.add, ADD_KEYS, tip)
        self.connect_jobs()
        examples.changed.connect(self._on_examples)
        examples.scores_changed.connect(self._show_examples)
        self.new_button.clicked.connect(self.new_labels)
        self.strip.removed.connect(examples.remove)
        self.strip.chosen.connect(self._go_to_example)
        self.panel.threshold_changed.connect(self._on_threshold)

    def _on_examples(self) -> None:
        self._show_examples()
        if self.case.labels is None or not len(self.case.examples):
            self.tell_first_step()

    def _show_examples(self) -> None:
        self.strip.show_entries(self.case.examples.entries)
