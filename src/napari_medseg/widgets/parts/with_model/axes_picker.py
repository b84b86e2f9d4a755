"""Along which axis planes are taken, and which channel of a multichannel image is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QSizePolicy, QWidget

from napari_medseg.session.layers.channels import Channel, axis_name, channels_of
from napari_medseg.session.layers.stack import shape_of, stack_on_display

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image


class AxesPicker(QWidget):
    """Two lists that are in sight only for images that have such axes.

    The choice of an axis turns the viewer: what is seen is what is segmented.

    Parameters
    ----------
    dims : napari Dims
        The viewer's sliders.
    """

    channel_wanted = Signal(object)
    """A `Channel` shall become an image of its own."""

    def __init__(self, dims: Dims, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._dims = dims
        self._image: Image | None = None
        self._channels: list[Channel] = []
        self.along = QComboBox()
        self.along.setToolTip("Turns the view, so that planes follow each other along this axis")
        self.channel = QComboBox()
        self.channel.setToolTip("Makes one channel an image of its own, without copying it")
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        for name, box in {"Planes along": self.along, "Channel": self.channel}.items():
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            self._form.addRow(QLabel(name), box)
        self.along.activated.connect(self._on_along)
        self.channel.activated.connect(self._on_channel)
        self.show_image(None)

    def show_image(self, image: Image | None) -> None:
        """Offer the axes of an image."""
        self._image = image
        self._channels = channels_of(image)
        with QSignalBlocker(self.channel):
            self.channel.clear()
            self.channel.addItem("not by channels")
            self.channel.addItems([channel.title for channel in self._channels])
        self._show_row(self.channel, bool(self._channels))
        self.refresh()

    def refresh(self) -> None:
        """Show along which axis the viewer takes planes now."""
        image = self._image
        volume = image is not None and image.ndim > 2
        self._show_row(self.along, volume)
        if image is None or not volume:
            return
        names = [
            f"{axis_name(image, axis)}  ({length} planes)"
            for axis, length in enumerate(shape_of(image))
        ]
        with QSignalBlocker(self.along):
            if [self.along.itemText(i) for i in range(self.along.count())] != names:
                self.along.clear()
                self.along.addItems(names)
            self.along.setCurrentIndex(stack_on_display(image, self._dims).axis or 0)

    def _show_row(self, box: QComboBox, shown: bool) -> None:
        box.setVisible(shown)
        self._form.labelForField(box).setVisible(shown)
        self.setVisible(not (self.along.isHidden() and self.channel.isHidden()))

    def _on_along(self, axis: int) -> None:
        image = self._image
        if image is None:
            return
        first = self._dims.ndim - image.ndim
        spatial = range(max(0, image.ndim - 3), image.ndim)
        plane = [other for other in spatial if other != axis][-2:]
        fixed = [other for other in range(image.ndim) if other not in (*plane, axis)]
        order = (*range(first), *(first + a for a in (*fixed, axis, *plane)))
        self._dims.order = order

    def _on_channel(self, index: int) -> None:
        if 0 < index <= len(self._channels):
            self.channel_wanted.emit(self._channels[index - 1])
