"""A window in which somebody paints, and which then stands still until it is killed.

Run by `test_journey_crash`, with the file to write the labels to, for comparison.
"""

from __future__ import annotations

import sys
import time

import napari
import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

PLANE = 6


def main(answer: str) -> None:
    """Paint a stroke with the mouse, add the plane as an example, wait for the journal."""
    viewer = napari.Viewer()
    viewer.window.resize(1280, 720)
    viewer.open_sample("napari-medseg", "cardiac_mr")
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment by example")
    viewer.dims.set_current_step(0, PLANE)
    QTest.qWait(300)
    canvas = viewer.window._qt_viewer.canvas.native
    middle = QPoint(canvas.width() // 2, canvas.height() // 2)
    left = Qt.MouseButton.LeftButton
    QTest.mousePress(canvas, left, Qt.KeyboardModifier.NoModifier, middle)
    QTest.mouseMove(canvas, middle + QPoint(60, 30))
    QTest.mouseRelease(canvas, left, Qt.KeyboardModifier.NoModifier, middle + QPoint(60, 30))
    QTest.mouseClick(dock.jobs.add, left)
    until = time.monotonic() + 60
    while not len(dock.case.examples) and time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)
    QTest.qWait(2000)
    np.save(answer, dock.case.labels.data)
    QTest.qWait(600_000)


if __name__ == "__main__":
    main(sys.argv[1])
