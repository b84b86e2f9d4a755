"""The dock Segment with a model: choose a card, press a button, accept or reject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QFileSystemWatcher, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QLabel

from napari_medseg.session.case import NO_IMAGE
from napari_medseg.session.layers.channels import Channel, channel_layer
from napari_medseg.session.with_model.card_fit import Traits, ranked
from napari_medseg.widgets.parts.arrange import form, group
from napari_medseg.widgets.parts.messages import small_print
from napari_medseg.widgets.parts.proposals.dock import ProposalDock
from napari_medseg.widgets.parts.with_model.answers import ModelAnswers
from napari_medseg.widgets.parts.with_model.axes_picker import AxesPicker
from napari_medseg.widgets.parts.with_model.cards import ModelCards
from napari_medseg.widgets.parts.with_model.options import ModelOptions
from napari_medseg.widgets.parts.with_model.runs import ModelRuns
from napari_medseg.widgets.parts.with_model.zoo_buttons import ZooButtons
from napari_medseg.zoo.registry import find_models, user_folder

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

NO_LABELS = "Made when you accept"
NO_MODEL = (
    "No model here is known to be made for this image: choose one that is, or import, "
    "download or train one."
)
_ARRIVING_MS = 300
RESEARCH = "Research software, not for diagnosis: check every contour."


class SegmentWithModel(ProposalDock):
    """The dock; its state lives in `case`, its jobs in `jobs` and `zoo`.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.
    """

    tab = "Model"

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, NO_LABELS, brush=False)
        # Not in sight: the classes are those of the model, and nothing is painted here.
        self.classes.hide()
        self.axes = AxesPicker(self.viewer.dims)
        self.cards = ModelCards()
        self.zoo = ZooButtons(self.message)
        self.warning: QLabel = small_print()
        self.warning.setText(RESEARCH)
        self.options = ModelOptions()
        self.keys_box = self.options.shortcuts
        self.jobs = ModelRuns(
            self.bench, self.options, lambda: self.cards.chosen, lambda: self.answers.cut
        )
        self.answers = ModelAnswers(self.bench)
        self._watcher = QFileSystemWatcher(self)
        # A model arrives under a temporary name first.
        self._watch_timer = QTimer(self)
        self._watch_timer.setSingleShot(True)
        self._watch_timer.setInterval(_ARRIVING_MS)
        self._lay_out()
        self._connect()
        self.begin()
        self.show_zoo()

    # -- the zoo and the window -----------------------------------------------------------------

    def show_zoo(self, choose: str = "") -> None:
        """Read the cards anew, and show those that fit the image first."""
        if user_folder().is_dir():
            self._watcher.addPath(str(user_folder()))
        cards, left_out = find_models()
        image = self.case.image
        self.cards.show_models(ranked(cards, None if image is None else Traits.of(image)))
        if choose:
            self.cards.choose(choose)
        if left_out:
            self.message.problem(left_out[0])
        self._on_card()

    def showEvent(self, event: QShowEvent) -> None:
        """Find models that were trained or imported elsewhere meanwhile."""
        super().showEvent(event)
        self.show_zoo()

    def tell_first_step(self) -> None:
        """Say what the user does first."""
        if self.case.image is None:
            self.message.hint("Open an image: drop a file on the window, or File > Open Sample.")
        elif self._why_no_model():
            self.message.hint(self._why_no_model())
        else:
            self.message.hint("Choose a model made for this kind of image, then segment a plane.")

    # -- changes ----------------------------------------------------------------------------------

    def _on_card(self) -> None:
        card = self.cards.chosen
        self.zoo.show_model(card)
        self.options.show_model(card)
        if self.message.kind == "hint" and self.case.proposal is None:
            self.tell_first_step()
        self.refresh()

    def _on_image(self) -> None:
        self.jobs.drop()
        self.axes.show_image(self.case.image)
        self.show_zoo()
        self.tell_first_step()

    def show_running(self) -> None:
        """Take note of a job that has begun or ended."""
        self.answers.show_model(self.jobs.card, self.jobs.is_predicting)
        self.refresh()

    def _take_channel(self, channel: Channel) -> None:
        image = self.case.image
        if image is None:
            return
        layer = channel_layer(image, channel)
        self.viewer.add_layer(layer)
        image.visible = False
        self.case.set_image(layer)
        self.message.done(f"Channel {channel.index} is an image of its own now.")

    def _add_layers(self, layers: list[Layer]) -> None:
        active = self.viewer.layers.selection.active
        for layer in layers:
            self.viewer.add_layer(layer)
        if active is not None and active in self.viewer.layers:
            self.viewer.layers.selection.active = active

    # -- what is possible now -------------------------------------------------------------------

    def refresh(self, event: object = None) -> None:
        """Enable what can be done now, and say in the tooltips what is missing for the rest."""
        stack = self.bench.stack()
        missing = NO_IMAGE if self.case.image is None else self._why_no_model()
        flat = "" if stack is None or stack.axis is not None else "The image is a single plane."
        self.jobs.plane.set_missing(missing)
        self.jobs.volume.set_missing(missing or flat)
        self.axes.refresh()
        super().refresh()

    def _why_no_model(self) -> str:
        card = self.cards.chosen
        if card is None:
            return NO_MODEL
        if card.kind != "pretrained":
            return "This model needs examples: use it in Segment by example, or choose another."
        if card.state == "to download":
            return "The weights of this model are not on this computer: press Download first."
        return "" if card.state == "present" else "The weights are missing: import the model again."

    # -- layout and wiring ------------------------------------------------------------------------

    def _lay_out(self) -> None:
        model = group("Model", self.cards, self.zoo, self.warning)
        scroll = self.put(
            form(("Image", self.images), ("Labels", self.labels)),
            self.axes,
            self.jobs.plane,
            self.jobs.volume,
            model,
            self.options,
            in_sight=(self.answers,),
            tall=model,
        )
        self.options.toggled.connect(lambda _: scroll.show_later(self.options))

    def _connect(self) -> None:
        self.case.image_changed.connect(self._on_image)
        self.cards.chosen_changed.connect(self._on_card)
        self.zoo.zoo_changed.connect(self.show_zoo)
        self.axes.channel_wanted.connect(self._take_channel)
        self.connect_jobs()
        self.follow(*self.zoo.buttons)
        self.jobs.layers_made.connect(self._add_layers)
        self._watcher.directoryChanged.connect(lambda _: self._watch_timer.start())
        self._watch_timer.timeout.connect(self.show_zoo)
