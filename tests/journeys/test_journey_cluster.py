"""Journey C: cluster one image, watch, cancel, click, then measure; by mouse in a real window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt

from tests.widgets.by_example import click, press_and_wait

from .person import CTRL, Person, middle_of

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_medseg.widgets.cluster_image import ClusterImage

pytestmark = [pytest.mark.gui, pytest.mark.slow]
PLANE = 3


class Dermatologist(Person):
    """Opens a skin lesion and the dock."""

    def __init__(self, viewer: Viewer, qtbot: QtBot) -> None:
        super().__init__(viewer, qtbot)
        viewer.open_sample("napari-medseg", "skin_lesions")
        self.go_to(PLANE)
        answer = next(layer for layer in viewer.layers if "right answer" in layer.name)
        self.lesion = answer.data[PLANE] > 0
        self.dock: ClusterImage = self.open_dock("Cluster one image")

    def dice(self) -> float:
        found = self.dock.case.labels.data[PLANE] > 0
        return 2 * (found & self.lesion).sum() / (found.sum() + self.lesion.sum())


def test_from_run_to_the_lesion_in_square_millimetres(window: Viewer, qtbot: QtBot) -> None:
    user = Dermatologist(window, qtbot)
    assert user.dock.case.image.name == "Skin lesions"
    _cancels_and_keeps_the_clusters(user)
    _takes_the_lesion_with_a_click(user)
    _measures_it(user)


def _cancels_and_keeps_the_clusters(user: Dermatologist) -> None:
    """Labels appear after the first iteration; Cancel keeps them as they are then."""
    dock = user.dock

    def cancel_after_one(progress: object) -> None:
        if dock.clusters is not None and dock.run.text() == "Cancel":
            click(user.qtbot, dock.run)

    dock.run.progressed.connect(cancel_after_one)
    press_and_wait(user.qtbot, dock.run, timeout=240_000)
    assert dock.clusters.count > 2
    assert dock.view.layer in user.viewer.layers
    dock.run.progressed.disconnect(cancel_after_one)


def _takes_the_lesion_with_a_click(user: Dermatologist) -> None:
    """Another method; Ctrl+Z on the canvas takes the click back though the clusters are active."""
    dock = user.dock
    dock.details.method.setCurrentIndex(dock.details.method.findData("kmeans"))
    press_and_wait(user.qtbot, dock.run)
    before = None
    if dock.case.labels is not None:
        dock.replace.setChecked(True)
        before = dock.case.labels.data.copy()
    with user.qtbot.waitSignal(dock.pick.ended, timeout=30_000):
        user.click_on(dock.case.image, *middle_of(user.lesion))
    assert user.dice() > 0.8
    labels = dock.case.labels
    after = labels.data.copy()
    user.press_key(Qt.Key.Key_Z, CTRL)
    assert np.array_equal(labels.data, np.zeros_like(after) if before is None else before)
    labels.redo()
    assert np.array_equal(labels.data, after)


def _measures_it(user: Dermatologist) -> None:
    """In the units of the image; a click on the row selects the lesion."""
    labels = user.dock.case.labels
    measure = user.open_dock("Measure and compare").measure
    measure._choose(labels)
    press_and_wait(user.qtbot, measure.run)
    table = measure.table
    assert table.table["pixels"].iloc[0] == np.count_nonzero(labels.data)
    cell = table.visualRect(table.model().index(0, 1)).center()
    user.qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert labels.selected_label == 1
    assert user.viewer.layers.selection.active is labels
