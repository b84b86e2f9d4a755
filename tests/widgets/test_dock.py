"""What all docks have in common, in a real window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtWidgets import QDockWidget, QMainWindow

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


def test_docks_come_as_tabs_with_short_names(make_napari_viewer_proxy, qtbot: QtBot) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    first, _ = viewer.window.add_plugin_dock_widget("napari-medseg", "MedSeg settings")
    second, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "How was this made?")
    assert isinstance(second, QDockWidget)
    qtbot.waitUntil(dock.isVisible)
    window = dock.window()
    assert isinstance(window, QMainWindow)
    assert first in window.tabifiedDockWidgets(second)
    assert second.windowTitle() == "How was this made?"
    assert second.height() > 300, "not stacked"
    under_the_title = second.titleBarWidget().geometry().bottom()
    first_part = dock.labels.mapTo(second, dock.labels.rect().topLeft())
    assert first_part.y() > under_the_title, "nothing is covered by the title bar"
