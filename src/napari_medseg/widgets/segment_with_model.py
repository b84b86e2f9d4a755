"""The dock Segment with a model: choose a card, press a button, accept or reject."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from qtpy.QtCore import QFileSystemWatcher, QTimer
from qtpy.QtGui import QKeyEvent, QShowEvent
from qtpy.QtWidgets import QLabel

from napari_medseg.session.card_fit import Traits, ranked
from napari_medseg.session.case import NO_IMAGE, Case
from napari_medseg.session.channels import Channel, channel_layer
from napari_medseg.widgets.parts.arrange import form, group
from napari_medseg.widgets.parts.axes_picker import AxesPicker
from napari_medseg.widgets.parts.class_table import ClassTable
from napari_medseg.widgets.parts.dock import Dock
from napari_medseg.widgets.parts.layer_follower import LayerFollower, is_image, is_labels_of_user
from napari_medseg.widgets.parts.layer_picker import LayerPicker
from napari_medseg.widgets.parts.messages import small_print
from napari_medseg.widgets.parts.model_answers import ModelAnswers
from napari_medseg.widgets.parts.model_cards import ModelCards
from napari_medseg.widgets.parts.model_options import ModelOptions
from napari_medseg.widgets.parts.model_runs import ModelRuns
from napari_medseg.widgets.parts.shortcuts import Shortcuts
from napari_medseg.widgets.parts.writing import Writing
from napari_medseg.widgets.parts.zoo_buttons import ZooButtons
from napari_medseg.zoo.registry import list_models, user_folder

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image

PLANE_KEYS, VOLUME_KEYS = "Ctrl+Enter", "Ctrl+Shift+Enter"
_ARRIVING_MS = 300
RESEARCH = "Research software, not for diagnosis: check every contour."


class SegmentWithModel(Dock):
    """The dock; its state lives in `case`, its jobs in `runs` and `zoo`.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.case = Case()
        self.writing = Writing(self, self.progress)
        self.images = LayerPicker(self.viewer.layers, is_image, "Open an image first")
        self.labels = LayerPicker(self.viewer.layers, is_labels_of_user, "Made when you accept")
        self.labels.setPlaceholderText("Made when you accept")
        self.axes = AxesPicker(self.viewer.dims)
        self.cards = ModelCards()
        self.zoo = ZooButtons(self.message)
        self.warning: QLabel = small_print()
        self.warning.setText(RESEARCH)
        self.options = ModelOptions()
        self.runs = ModelRuns(
            self.case,
            self.viewer.dims,
            self.options,
            lambda: self.cards.chosen,
            lambda: self.answers.cut,
            self.message,
            self,
            self.gate,
        )
        self.answers = ModelAnswers(
            self.viewer, self.case, self.runs.stack, self.message, self.writing
        )
        # Not in sight: the classes are those of the model, and nothing is painted here.
        self._classes = ClassTable(self.case.examples, self)
        self._classes.hide()
        self.follower = LayerFollower(
            self.viewer, self.case, self.images, self.labels, self._classes, brush=False
        )
        self.shortcuts = Shortcuts(self.viewer, self)
        self._watcher = QFileSystemWatcher(self)
        # A model arrives under a temporary name first.
        self._watch_timer = QTimer(self)
        self._watch_timer.setSingleShot(True)
        self._watch_timer.setInterval(_ARRIVING_MS)
        self._lay_out()
        self._connect()
        self.follower.choose_first_image()
        self._show_keys(self.options.shortcuts.isChecked())
        self.show_zoo()
        self._tell_first_step()

    # -- the zoo and the window -----------------------------------------------------------------

    def show_zoo(self, choose: str = "") -> None:
        """Read the cards anew, and show those that fit the image first."""
        if user_folder().is_dir():
            self._watcher.addPath(str(user_folder()))
        with warnings.catch_warnings(record=True) as notices:
            warnings.simplefilter("always")
            cards = list_models()
        image = self.case.image
        self.cards.show_models(ranked(cards, None if image is None else Traits.of(image)))
        if choose:
            self.cards.choose(choose)
        if notices:
            self.message.problem(str(notices[0].message))
        self._on_card()

    def showEvent(self, event: QShowEvent) -> None:
        """Find models that were trained or imported elsewhere meanwhile."""
        super().showEvent(event)
        self.show_zoo()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Accept or reject where no part of the dock wanted the key for itself."""
        wanted = self.options.shortcuts.isChecked()
        if not (wanted and self.answers.answer_key(event)):
            super().keyPressEvent(event)

    def _tell_first_step(self) -> None:
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
            self._tell_first_step()
        self.refresh()

    def _on_image(self) -> None:
        self.runs.drop()
        self.axes.show_image(self.case.image)
        self.show_zoo()
        self._tell_first_step()

    def _on_running(self) -> None:
        self.answers.show_model(self.runs.card, self.runs.is_running)
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

    def _add_layers(self, layers: list[Image]) -> None:
        active = self.viewer.layers.selection.active
        for layer in layers:
            self.viewer.add_layer(layer)
        if active is not None and active in self.viewer.layers:
            self.viewer.layers.selection.active = active

    # -- what is possible now -------------------------------------------------------------------

    def refresh(self, event: object = None) -> None:
        """Enable what can be done now, and say in the tooltips what is missing for the rest."""
        stack = self.runs.stack()
        missing = NO_IMAGE if self.case.image is None else self._why_no_model()
        flat = "" if stack is None or stack.axis is not None else "The image is a single plane."
        self.runs.plane.set_missing(missing)
        self.runs.volume.set_missing(missing or flat)
        self.axes.refresh()
        self.answers.refresh()

    def _why_no_model(self) -> str:
        card = self.cards.chosen
        if card is None:
            return "Choose a model first; where there is none: Import, Download or train one."
        if card.kind != "pretrained":
            return "This model needs examples: use it in Segment by example, or choose another."
        if card.state == "to download":
            return "The weights of this model are not on this computer: press Download first."
        return "" if card.state == "present" else "The weights are missing: import the model again."

    # -- layout and wiring ------------------------------------------------------------------------

    def _lay_out(self) -> None:
        scroll = self.put(
            form(("Image", self.images), ("Labels", self.labels)),
            self.axes,
            self.runs.plane,
            self.runs.volume,
            group("Model", self.cards, self.zoo, self.warning),
            self.options,
            in_sight=(self.answers,),
        )
        self.options.toggled.connect(lambda _: scroll.show_later(self.options))

    def _connect(self) -> None:
        self.case.image_changed.connect(self._on_image)
        self.case.approved_changed.connect(self.refresh)
        self.cards.chosen_changed.connect(self._on_card)
        self.zoo.zoo_changed.connect(self.show_zoo)
        self.axes.channel_wanted.connect(self._take_channel)
        for button in self.runs.buttons:
            button.started.connect(self._on_running)
            button.started.connect(lambda: self.message.hint(""))
            button.ended.connect(self._on_running)
        self.follow(*self.runs.buttons, *self.zoo.buttons)
        self.progress.follow(self.writing)
        self.runs.layers_made.connect(self._add_layers)
        self.answers.rejected.connect(self.runs.drop)
        self.options.shortcuts_toggled.connect(self._show_keys)
        self._watcher.directoryChanged.connect(lambda _: self._watch_timer.start())
        self._watch_timer.timeout.connect(self.show_zoo)
        for event in ("current_step", "order"):
            getattr(self.viewer.dims.events, event).connect(self.refresh)
        for button, text, keys, tip in (
            (self.runs.plane, "Segment this plane", PLANE_KEYS, "Propose labels for this plane"),
            (self.runs.volume, "Segment all planes", VOLUME_KEYS, "Propose labels for all planes"),
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
        self.runs.drop()

    def _show_keys(self, on: bool) -> None:
        """Turn the keys on and write them on the buttons, or the opposite."""
        self.shortcuts.set_on(on)
        self.answers.show_keys(on)
        self.refresh()
