"""Notices that labels of which a table tells have changed since."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_medseg.session.undo_step import steps_to_redo

if TYPE_CHECKING:
    from napari.layers import Labels


class ChangeWatch:
    """Calls when one of the labels that it follows is painted, written, undone or redone.

    Parameters
    ----------
    changed : callable
        What is called.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._to_redo: dict[Labels, int] = {}

    def follow(self, *layers: Labels) -> None:
        """Follow these labels from now on, and no others."""
        for layer in self._to_redo:
            layer.events.paint.disconnect(self._on_changed)
            layer.events.data.disconnect(self._on_changed)
            layer.events.set_data.disconnect(self._on_drawn)
        self._to_redo = {layer: steps_to_redo(layer) for layer in layers}
        for layer in self._to_redo:
            layer.events.paint.connect(self._on_changed)
            layer.events.data.connect(self._on_changed)
            layer.events.set_data.connect(self._on_drawn)

    def _on_changed(self, event: Any = None) -> None:
        self._changed()

    def _on_drawn(self, event: Any) -> None:
        """Look whether something was undone or redone, of which there is no other sign."""
        before, self._to_redo = self._to_redo, {i: steps_to_redo(i) for i in self._to_redo}
        if self._to_redo != before:
            self._changed()
