"""Journey C: cluster one image, watch, cancel, click, then measure; by mouse in a real window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from tests.widgets.by_example import click, press_and_wait

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

pytestmark = [pytest.mark.gui, pytest.mark.slow]
PLANE = 3


@pytest.fixture
def window(make_napari_viewer_proxy) -> Viewer:
    viewer = make_napari_viewer_proxy(show=True)
    return getattr(viewer, "__wrapped__", viewer)


def canvas(viewer: Viewer) -> QWidget:
    return viewer.window._qt_viewer.canvas.native


def on_canvas(viewer: Viewer, scale: np.ndarray, row: int, column: int) -> QPoint:
    """Find a pixel of the plane on the canvas."""
    camera, widget = viewer.scene.camera, canvas(viewer)
    offset = (np.array([row, column]) * scale[-2:] - camera.center[-2:]) * camera.zoom
    return QPoint(round(widget.width() / 2 + offset[1]), round(widget.height() / 2 + offset[0]))


def test_from_run_to_the_lesion_in_square_millimetres(window: Viewer, qtbot: QtBot) -> None:
    window.window.resize(1280, 720)
    window.open_sample("napari-medseg", "skin_lesions")
    window.dims.set_current_step(0, PLANE)
    right = next(layer for layer in window.layers if "right answer" in layer.name).data[PLANE]
    _, dock = window.window.add_plugin_dock_widget("napari-medseg", "Cluster one image")
    assert dock.case.image.name == "Skin lesions"

    # Run: labels appear after the first iteration; Cancel keeps them as they are then.
    def cancel_after_one(progress: object) -> None:
        if dock.clusters is not None and dock.run.text() == "Cancel":
            click(qtbot, dock.run)

    dock.run.progressed.connect(cancel_after_one)
    press_and_wait(qtbot, dock.run, timeout=240_000)
    assert dock.clusters.count > 2
    assert dock.view.layer in window.layers
    dock.run.progressed.disconnect(cancel_after_one)

    # Another method, from the same place; a click takes the lesion into a layer of her own.
    dock.details.method.setCurrentIndex(dock.details.method.findData("kmeans"))
    press_and_wait(qtbot, dock.run)
    labels = dock.case.labels
    if labels is not None:
        dock.replace.setChecked(True)
    rows, columns = np.nonzero(right)
    middle = int(np.argmin(np.hypot(rows - rows.mean(), columns - columns.mean())))
    at = on_canvas(window, dock.case.image.scale, int(rows[middle]), int(columns[middle]))
    before = None if labels is None else labels.data.copy()
    with qtbot.waitSignal(dock.pick.ended, timeout=30_000):
        qtbot.mouseClick(canvas(window), Qt.MouseButton.LeftButton, pos=at)
    labels = dock.case.labels
    found = labels.data[PLANE] > 0
    assert 2 * (found & right).sum() / (found.sum() + right.sum()) > 0.8
    after = labels.data.copy()

    # Ctrl+Z on the canvas takes it back although the clusters are the active layer.
    qtbot.keyClick(canvas(window), Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(labels.data, np.zeros_like(after) if before is None else before)
    labels.redo()
    assert np.array_equal(labels.data, after)

    # Measured, in the units of the image; a click on the row selects the lesion.
    _, measure = window.window.add_plugin_dock_widget("napari-medseg", "Measure and compare")
    measure.measure._choose(labels)
    press_and_wait(qtbot, measure.measure.run)
    table = measure.measure.table
    assert table.table["pixels"].iloc[0] == np.count_nonzero(after)
    cell = table.visualRect(table.model().index(0, 1)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert labels.selected_label == 1
    assert window.layers.selection.active is labels
