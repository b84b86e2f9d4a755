"""What tests of the dock share: a model that needs no training, a volume, and a person's hands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt

from napari_medseg.widgets.segment_by_example import SegmentByExample

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QAbstractButton

PLANES, HEIGHT, WIDTH = 8, 96, 80


def volume() -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """A dark volume with a bright ball and a small bright spot, and the mask of both."""
    z, rows, columns = np.mgrid[:PLANES, :HEIGHT, :WIDTH]
    ball = ((z - 4) * 4) ** 2 + (rows - 48) ** 2 + (columns - 36) ** 2 <= 20**2
    spot = (rows - 14) ** 2 + (columns - 66) ** 2 <= 5**2
    mask = (ball | spot).astype(np.uint8)
    noise = np.random.default_rng(0).normal(300, 10, mask.shape)
    return (noise + 1000.0 * mask).astype(np.uint16), mask


def click(qtbot: QtBot, button: QAbstractButton) -> None:
    """Press a button as a person does: only if it is enabled."""
    assert button.isEnabled(), button.toolTip()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def press_and_wait(qtbot: QtBot, button: QAbstractButton, timeout: int = 180_000) -> None:
    """Press a button that starts a job, and wait until the job is over."""
    with qtbot.waitSignal(button.ended, timeout=timeout):
        click(qtbot, button)


def paint(dock: SegmentByExample, mask: NDArray[np.integer]) -> None:
    """Paint a plane into the labels at the place on display, as one stroke."""
    labels, stack = dock.case.labels, dock.bench.stack()
    assert labels is not None
    assert stack is not None
    rows, columns = np.nonzero(mask)
    points = stack.points(stack.position, mask > 0)
    labels.data_setitem(points, mask[rows, columns])


def open_dock(viewer: Viewer, qtbot: QtBot, model: str = "") -> SegmentByExample:
    """Open the dock at the right of the window, with a certain model."""
    dock = SegmentByExample(viewer)
    viewer.window.add_dock_widget(dock, name="Segment by example", area="right")
    if model:
        dock.details.model.setCurrentIndex(dock.details.model.findText(model))
    qtbot.wait(1)
    return dock
