"""Opening a DICOM folder with several series in a window asks which one."""

from __future__ import annotations

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QDialogButtonBox, QMainWindow, QWidget

from napari_medseg.widgets import readers
from napari_medseg.widgets.parts.series_dialog import SeriesDialog
from tests.io.dicom_phantoms import block, write_series
from tests.widgets.dialogs import when_shown

pytestmark = pytest.mark.gui


@pytest.fixture
def two_series(tmp_path):
    write_series(tmp_path / "a", modality="MR", number=7)
    return tmp_path, write_series(tmp_path / "b", stored=block()[:4], modality="CT", number=2)


@pytest.fixture(autouse=True)
def window(qtbot) -> QWidget:
    """A window on the screen: without one nobody can be asked."""
    shown = QWidget()
    qtbot.addWidget(shown)
    with qtbot.waitExposed(shown):
        shown.show()
    return shown


def test_the_series_that_is_chosen_opens(viewer, qtbot, two_series):
    folder, short = two_series
    asked = []

    def choose(dialog: SeriesDialog) -> None:
        asked.extend(dialog.list.item(row).text() for row in range(dialog.list.count()))
        qtbot.keyClick(dialog.list, Qt.Key.Key_Down)
        qtbot.keyClick(dialog.list, Qt.Key.Key_Return)

    when_shown(SeriesDialog, choose)
    (layer,) = viewer.open(str(folder), plugin="napari-medseg")
    assert asked[0].startswith("MR HEAD series 7, 6 planes of 10 × 12")
    assert asked[1].startswith("CT HEAD series 2, 4 planes")
    assert layer.name == "CT HEAD series 2"
    np.testing.assert_array_equal(layer.data, short.values)


def test_cancelling_opens_nothing(viewer, qtbot, two_series):
    when_shown(
        SeriesDialog,
        lambda dialog: qtbot.mouseClick(
            dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.StandardButton.Cancel),
            Qt.MouseButton.LeftButton,
        ),
    )
    viewer.open(str(two_series[0]), plugin="napari-medseg")
    assert len(viewer.layers) == 0


def test_the_question_belongs_to_our_window_also_behind_a_file_manager(qtbot, monkeypatch):
    main = QMainWindow()
    qtbot.addWidget(main)
    with qtbot.waitExposed(main):
        main.show()
    monkeypatch.setattr(QApplication, "activeWindow", staticmethod(lambda: None))
    parent = readers._window()
    assert isinstance(parent, QMainWindow) and parent.isVisible()


def test_what_is_odd_is_told_once_the_layer_is_there(viewer, qtbot, tmp_path):
    phantom = write_series(tmp_path / "a", tilt=20.0)
    told = []
    with notification_manager:
        notification_manager.notification_ready.connect(
            lambda notice: told.append((notice.message, len(viewer.layers)))
        )
        viewer.open(str(phantom.folder), plugin="napari-medseg")
        qtbot.waitUntil(lambda: bool(told), timeout=20_000)
    (message, count), *_ = told
    assert "gantry tilt" in message and count == 1
