"""Journey: a DICOM folder is dropped, painted on, exported as DICOM-SEG, and opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from napari.settings import NapariSettings
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent

from napari_medseg.cli.window import prefer_own_reader
from tests.io.dicom_phantoms import rotated, write_series
from tests.widgets.by_example import press_and_wait

if TYPE_CHECKING:
    from pathlib import Path

    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

pytestmark = [pytest.mark.gui, pytest.mark.slow]
PLANE, MIDDLE, RADIUS = 2, (24, 20), 4


def drop(viewer: Viewer, path: Path) -> None:
    """Let go of a file or folder over the canvas."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    window = viewer.window._qt_viewer
    event = QDropEvent(
        QPointF(200, 200),
        Qt.DropAction.CopyAction,
        data,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    window.dropEvent(event)


def test_from_a_dropped_folder_to_labels_that_lie_on_it(
    make_napari_viewer_proxy,
    tmp_path: Path,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = NapariSettings(config_path=None)  # nobody's file is read or written
    for module in ("napari.settings", "napari.plugins.utils"):
        monkeypatch.setattr(f"{module}.get_settings", lambda: settings)
    proxy = make_napari_viewer_proxy(show=True)
    viewer: Viewer = getattr(proxy, "__wrapped__", proxy)
    prefer_own_reader()  # as the command does that opens the window
    values = np.random.default_rng(0).integers(0, 800, (6, 48, 40), np.int16)
    series = write_series(tmp_path / "scan", stored=values, directions=rotated(), shuffled=True)

    drop(viewer, series.folder)
    (image,) = viewer.layers
    np.testing.assert_array_equal(image.data, series.values)

    viewer.layers.selection = {image}
    viewer._new_labels()
    labels = viewer.layers[-1]
    labels.brush_size, labels.selected_label = 2 * RADIUS, 1
    labels.paint((PLANE, *MIDDLE), 1)
    painted = np.asarray(labels.data).copy()
    assert painted[PLANE].any() and not painted[:PLANE].any()

    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Export labels")
    assert dock.format.format.title == "DICOM-SEG"
    dock.target.point_to(tmp_path / "scan" / "painted.dcm")
    press_and_wait(qtbot, dock.button)
    assert "geometry equal" in dock.message.text()

    viewer.layers.clear()
    drop(viewer, series.folder)
    image, again = viewer.layers
    np.testing.assert_array_equal(again.data, painted)
    for index in ((0, 0, 0), (PLANE, *MIDDLE), (5, 47, 39)):
        np.testing.assert_allclose(again.data_to_world(index), image.data_to_world(index))
    assert [f"{unit:~}" for unit in again.units] == ["mm"] * 3
