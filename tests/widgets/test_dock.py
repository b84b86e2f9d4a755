"""What all docks have in common, in a real window."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.plugins import menu_item_template
from npe2 import PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QOpenGLWidget, QTabBar
from vispy.gloo import gl

from napari_medseg.cli.window import fill_window
from napari_medseg.widgets.parts.canvas_guard import remove_layer
from napari_medseg.widgets.parts.proposals.dock import ProposalDock
from napari_medseg.widgets.segment_by_example import SegmentByExample

if TYPE_CHECKING:
    from napari.viewer import Viewer
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
    assert second.windowTitle() == "History", "a tab has little room"
    (tabs,) = [bar for bar in window.findChildren(QTabBar) if bar.parent() is window]
    assert tabs.elideMode() == Qt.TextElideMode.ElideNone and tabs.usesScrollButtons()
    titles = [label.text() for label in second.titleBarWidget().findChildren(QLabel)]
    assert titles == ["How was this made?"]
    qtbot.waitUntil(lambda: second.height() > 300)  # not stacked
    under_the_title = second.titleBarWidget().geometry().bottom()
    first_part = dock.labels.mapTo(second, dock.labels.rect().topLeft())
    assert first_part.y() > under_the_title, "nothing is covered by the title bar"


def test_after_a_click_the_arrow_keys_turn_the_planes(
    make_napari_viewer_proxy, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    viewer.add_image(np.zeros((5, 8, 8), np.float32))
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment by example")
    window, button = dock.window(), dock.new_button
    window.activateWindow()
    qtbot.waitUntil(button.isVisible)
    for by_mouse, planes in ((True, 1), (False, 0)):
        viewer.dims.set_point(0, 2)
        button.setAttribute(Qt.WidgetAttribute.WA_UnderMouse, by_mouse)
        button.setFocus()
        qtbot.waitUntil(button.hasFocus)
        button.click()
        qtbot.keyClick(window.focusWidget() or window, Qt.Key.Key_Right)
        assert viewer.dims.point[0] == 2 + planes


def test_a_dock_behind_a_tab_comes_to_the_front_when_chosen(
    make_napari_viewer_proxy, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    behind, _ = viewer.window.add_plugin_dock_widget("napari-medseg", "MedSeg settings")
    front, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "How was this made?")
    qtbot.waitUntil(lambda: is_in_sight(front) and not is_in_sight(behind))
    behind.setVisible(not behind.isVisible())  # as napari's menu does
    qtbot.waitUntil(lambda: is_in_sight(behind) and not is_in_sight(front))
    behind.setVisible(not behind.isVisible())
    qtbot.waitUntil(behind.isHidden)
    qtbot.waitUntil(lambda: is_in_sight(front))
    behind.setVisible(not behind.isVisible())
    qtbot.waitUntil(lambda: is_in_sight(behind) and not is_in_sight(front))
    viewer.window.remove_dock_widget(dock)
    qtbot.wait(20)
    assert dock.isHidden()


def test_the_canvas_keys_belong_to_the_dock_in_front(
    make_napari_viewer_proxy, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    example, first = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment by example")
    model, second = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment with a model")

    def has_keys(dock: ProposalDock) -> bool:
        bound = {str(keys): action for keys, action in first.viewer.keymap.items()}
        action = bound.get("Ctrl+Enter")
        return getattr(action, "__defaults__", None) == (dock.jobs.plane.start,)

    qtbot.waitUntil(lambda: is_in_sight(model) and not is_in_sight(example))
    assert has_keys(second)
    example.raise_()
    qtbot.waitUntil(lambda: has_keys(first))
    example.close()
    qtbot.waitUntil(lambda: has_keys(second))
    viewer.window.remove_dock_widget(second)
    qtbot.waitUntil(lambda: "Ctrl+Enter" not in set(map(str, first.viewer.keymap)))


def test_the_dock_that_is_open_at_the_start_is_the_one_in_the_menu(
    make_napari_viewer_proxy, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    fill_window(viewer)
    manifest = PluginManifest.from_distribution("napari-medseg")
    name = menu_item_template.format(manifest.display_name, "Segment by example")
    assert list(viewer.window.dock_widgets) == [name], "else the menu opens a second, empty one"
    assert isinstance(viewer.window.dock_widgets[name], SegmentByExample)


def is_in_sight(dock: QDockWidget) -> bool:
    return not dock.isHidden() and not dock.visibleRegion().isEmpty()


def test_nothing_is_drawn_with_what_a_removed_layer_left_behind(
    make_napari_viewer_proxy, qtbot: QtBot
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment by example")
    qtbot.waitUntil(dock.isVisible)
    viewer.add_image(np.zeros((20, 20), np.float32))
    dock.new_labels()
    assert dock.case.labels.mode == "paint"
    (canvas,) = dock.window().findChildren(QOpenGLWidget)
    canvas.repaint()
    canvas.makeCurrent()
    assert _enabled_arrays(), "as vispy leaves them"
    viewer.layers.clear()
    canvas.makeCurrent()
    assert not _enabled_arrays()


@pytest.fixture
def nothing_frozen() -> Iterator[None]:
    """Memory as in an application; collected only when told to."""
    gc.unfreeze()
    gc.disable()
    yield
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.mark.skipif(sys.platform == "win32", reason="there napari's collection is needed")
@pytest.mark.usefixtures("nothing_frozen")
def test_removing_a_layer_of_ours_does_not_look_through_all_memory(viewer: Viewer) -> None:
    class Garbage:
        def __init__(self) -> None:
            self.itself = self

    garbage = weakref.ref(Garbage())
    remove_layer(viewer, viewer.add_labels(np.zeros((8, 8), np.uint8)))
    assert len(viewer.layers) == 0
    assert garbage() is not None
    gc.collect()
    assert garbage() is None, "found at the next collection"


def test_what_others_froze_stays_frozen(viewer: Viewer) -> None:
    gc.freeze()
    before = gc.get_freeze_count()
    remove_layer(viewer, viewer.add_labels(np.zeros((8, 8), np.uint8)))
    assert gc.get_freeze_count() == pytest.approx(before, rel=0.01)


A_WINDOW_IS_CLOSED = """
import napari, numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget
from napari_medseg.widgets.parts.canvas_guard import guard_canvas, remove_layer
from napari_medseg.widgets.parts.farewell import Farewell

viewer = napari.Viewer()
guard_canvas(viewer)
viewer.add_image(np.ones((3, 8, 8), np.float32))
layer = viewer.add_labels(np.ones((3, 8, 8), np.uint8))
dock = QWidget()
dock.farewell = Farewell(dock, lambda: remove_layer(viewer, layer))
viewer.window.add_dock_widget(dock)
QTimer.singleShot(1500, viewer.window._qt_window.close)
napari.run()
print(len(viewer.layers), "layer left")
"""


def test_a_window_is_closed_while_a_dock_still_shows_a_layer() -> None:
    script = [sys.executable, "-c", A_WINDOW_IS_CLOSED]
    ended = subprocess.run(script, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "1 layer left" in ended.stdout


def _enabled_arrays() -> list[int]:
    arrays = range(gl.glGetParameter(gl.GL_MAX_VERTEX_ATTRIBS))
    is_enabled = gl.GL_VERTEX_ATTRIB_ARRAY_ENABLED
    return [number for number in arrays if gl.glGetVertexAttrib(number, is_enabled)]
