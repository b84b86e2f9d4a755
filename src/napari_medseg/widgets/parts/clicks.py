"""Clicks on a layer, told apart from drags."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Layer

Drag = Callable[["Layer", Any], Generator[None, None, None]]


def on_click(act: Callable[[Any], object]) -> Drag:
    """Give a mouse-drag callback of a layer that calls `act` with the event of a left click.

    A click is a press and a release without moving in between.
    """

    def drag(layer: Layer, event: Any) -> Generator[None, None, None]:
        moved = False
        yield
        while event.type == "mouse_move":
            moved = True
            yield
        if not moved and event.button == 1:
            act(event)

    return drag
