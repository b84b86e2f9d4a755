"""What is noted with a layer under ``metadata["medseg"]``, which all who work on it share.

The names of its classes and what is locked are told to every dock that holds the layer, and to the
journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_medseg.io.notes import NOTE_KEY

if TYPE_CHECKING:
    from napari.layers import Layer


class _Noted:
    changed = Signal(object, str, object)
    """A layer, what was noted of it, and what stood there before; None for nothing."""


noted = _Noted()


def notes_of(layer: Layer | None) -> dict[str, Any]:
    """Give what is noted with a layer."""
    return {} if layer is None else layer.metadata.get(NOTE_KEY, {})


def note(layer: Layer, name: str, value: Any) -> None:
    """Note something with a layer, and tell of it where it is new."""
    before = notes_of(layer).get(name)
    if value != before:
        layer.metadata[NOTE_KEY] = {**notes_of(layer), name: value}
        noted.changed.emit(layer, name, before)
