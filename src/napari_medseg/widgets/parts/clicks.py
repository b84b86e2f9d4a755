"""Clicks on a layer, told apart from drags."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QApplication

if TYPE_CHECKING:
    from napari.layers import Layer

Drag = Callable[["Layer", Any], Generator[None, None, None]]


def on_click(act: Callable[[Any], object]) -> Drag:
    """Give a mouse-drag callback of a layer that calls `act` with the event of a left click.

    A click is a press and a release with no more moving in between than a hand does unasked.
    """

    def drag(layer: Layer, event: Any) -> Generator[None, None, None]:
        pressed, moved = np.array(event.pos), False
        yield
        while event.type == "mouse_move":
            way = np.abs(np.asarray(event.pos) - pressed).sum()
            moved |= bool(way >= QApplication.startDragDistance())
            yield
        if not moved and event.button == 1:
            act(event)

    return drag
