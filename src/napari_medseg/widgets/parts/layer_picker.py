"""A list of the open layers of one kind that keeps the layers themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QWidget

from napari_medseg.widgets.parts.elided_box import ElidedBox

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Layer


class LayerPicker(ElidedBox):
    """Chooses one of the layers; follows the layer list when layers come, go or are renamed.

    Parameters
    ----------
    layers : napari LayerList
        The viewer's layers.
    accepts : callable
        Tells whether a layer belongs here.
    empty : str
        What it shows while there is none, or none is chosen.
    """

    picked = Signal(object)
    """The user chose a layer."""

    elide = Qt.TextElideMode.ElideMiddle  # names of layers often differ at their end

    def __init__(
        self,
        layers: LayerList,
        accepts: Callable[[Layer], bool],
        empty: str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._layers = layers
        self._accepts = accepts
        self._empty = empty
        self.setPlaceholderText(empty)
        self._shown: list[Layer] = []
        self._current: Layer | None = None
        self.activated.connect(self._on_activated)
        for event in (layers.events.inserted, layers.events.removed, layers.events.reordered):
            event.connect(self.refresh)
        self.refresh()

    @property
    def choices(self) -> list[Layer]:
        """The layers it offers, the topmost first."""
        return list(self._shown)

    def show_layer(self, layer: Layer | None) -> None:
        """Show a layer as the chosen one, without announcing it."""
        self._current = layer
        self.refresh()

    def refresh(self, event: object = None) -> None:
        """Take over what the layer list holds now."""
        for layer in self._shown:
            layer.events.name.disconnect(self.refresh)
        self._shown = [layer for layer in reversed(self._layers) if self._accepts(layer)]
        for layer in self._shown:
            layer.events.name.connect(self.refresh)
        with QSignalBlocker(self):
            self.clear()
            self.addItems([layer.name for layer in self._shown] or [self._empty])
            index = self._shown.index(self._current) if self._current in self._shown else -1
            self.setCurrentIndex(index if self._shown else 0)
        self.setEnabled(bool(self._shown))
        self.setToolTip(self.currentText() or self._empty)

    def disconnect_layers(self) -> None:
        """Stop following the layer list."""
        for layer in self._shown:
            layer.events.name.disconnect(self.refresh)
        for name in ("inserted", "removed", "reordered"):
            getattr(self._layers.events, name).disconnect(self.refresh)
        self._shown = []

    def _on_activated(self, index: int) -> None:
        if 0 <= index < len(self._shown):
            self._current = self._shown[index]
            self.picked.emit(self._current)
