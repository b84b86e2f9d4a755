"""The dock How was this made?, pressed in a real window."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication

from napari_medseg.cli import app
from napari_medseg.io.labels import read_labels
from napari_medseg.widgets.cluster_image import ClusterImage
from napari_medseg.widgets.how_made import HowMade

from .by_example import press_and_wait
from .test_cluster_image import FIRST, choose, spots, take

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture
def clustered(viewer: Viewer, qtbot: QtBot) -> ClusterImage:
    viewer.add_image(spots(), name="spots", scale=(4, 1, 1))
    viewer.dims.set_current_step(0, 1)
    dock = ClusterImage(viewer)
    viewer.window.add_dock_widget(dock, name="Cluster one image", area="right")
    choose(dock, "kmeans")
    press_and_wait(qtbot, dock.run)
    take(dock, qtbot, *FIRST)
    return dock


def test_inputs_are_saved_and_the_copied_command_makes_the_same_labels(
    clustered: ClusterImage, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = clustered.case.labels
    dock = HowMade(clustered.viewer)
    clustered.viewer.window.add_dock_widget(dock, name="How was this made?", area="right")
    dock.choose(labels)
    assert "k-means" in dock.words.text()
    assert "row 15, column 15" in dock.words.text()
    press_and_wait(qtbot, dock.command)
    assert "only in memory" in dock.message.text()
    assert "IMAGE" in QGuiApplication.clipboard().text()
    monkeypatch.setattr(dock, "ask_where_to_save", lambda: str(tmp_path / "inputs"))
    press_and_wait(qtbot, dock.save)
    press_and_wait(qtbot, dock.command)
    command = QGuiApplication.clipboard().text()
    assert dock.text.toPlainText() == command
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        app(shlex.split(command)[1:])
    assert not end.value.code
    (file,) = (tmp_path / "results").iterdir()
    np.testing.assert_array_equal(read_labels(file).labels, labels.data)
    press_and_wait(qtbot, dock.python)
    assert "medseg.pick_cluster" in QGuiApplication.clipboard().text()


def test_a_step_that_is_undone_is_shown_no_more(clustered: ClusterImage, qtbot: QtBot) -> None:
    labels = clustered.case.labels
    dock = HowMade(clustered.viewer)
    clustered.viewer.window.add_dock_widget(dock, name="How was this made?", area="right")
    dock.choose(labels)
    assert dock.steps.count() == 1
    labels.undo()
    qtbot.waitUntil(lambda: "was painted" in dock.words.text())
    assert not dock.command.isEnabled()
    labels.redo()
    qtbot.waitUntil(lambda: "k-means" in dock.words.text())


def test_painted_labels_have_no_method(viewer: Viewer, qtbot: QtBot) -> None:
    viewer.add_labels(np.zeros((9, 9), np.uint8))
    dock = HowMade(viewer)
    qtbot.addWidget(dock)
    assert "was painted" in dock.words.text()
    assert not dock.command.isEnabled()
    assert "was painted" in dock.command.toolTip()
    assert dock.steps.isHidden() and dock.steps_name.isHidden(), "there is no step to choose"


def test_the_clusters_on_display_say_how_they_were_made(
    clustered: ClusterImage, qtbot: QtBot
) -> None:
    dock = HowMade(clustered.viewer)
    qtbot.addWidget(dock)
    dock.choose(clustered.view.layer)
    assert "k-means" in dock.words.text()
    assert dock.step.inputs.image() is clustered.case.image
