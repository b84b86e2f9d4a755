"""A person in front of a window: her mouse, her keys, and the planes she turns to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QPoint, Qt

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
NONE = Qt.KeyboardModifier.NoModifier


class Person:
    """Does with a window what a person does."""

    def __init__(self, viewer: Viewer, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        viewer.window.resize(1280, 720)

    def open_dock(self, name: str) -> Any:
        _, dock = self.viewer.window.add_plugin_dock_widget("napari-medseg", name)
        self.qtbot.wait(50)
        return dock

    @property
    def canvas(self) -> QWidget:
        return self.viewer.window._qt_viewer.canvas.native

    def on_canvas(self, image: Image, row: float, column: float) -> QPoint:
        """Find a pixel of the plane on the canvas."""
        camera, widget = self.viewer.scene.camera, self.canvas
        center = np.array(camera.center[-2:])
        offset = (np.array([row, column]) * image.scale[-2:] - center) * camera.zoom
        return QPoint(round(widget.width() / 2 + offset[1]), round(widget.height() / 2 + offset[0]))

    def click_on(self, image: Image, row: int, column: int) -> None:
        at = self.on_canvas(image, row, column)
        self.qtbot.mouseClick(self.canvas, Qt.MouseButton.LeftButton, pos=at)

    def drag_on(self, image: Image, start: tuple[int, int], end: tuple[int, int]) -> None:
        first, last = self.on_canvas(image, *start), self.on_canvas(image, *end)
        self.qtbot.mousePress(self.canvas, Qt.MouseButton.LeftButton, pos=first)
        self.qtbot.mouseMove(self.canvas, last)
        self.qtbot.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=last)

    def press_key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> None:
        """Press a key on the canvas."""
        self.qtbot.keyClick(self.canvas, key, modifiers)

    def go_to(self, plane: int) -> None:
        self.viewer.dims.set_current_step(0, plane)
        self.qtbot.wait(20)


def middle_of(mask: np.ndarray) -> tuple[int, int]:
    """Find the pixel of a mask that is nearest to its centre."""
    rows, columns = np.nonzero(mask)
    nearest = int(np.argmin(np.hypot(rows - rows.mean(), columns - columns.mean())))
    return int(rows[nearest]), int(columns[nearest])
