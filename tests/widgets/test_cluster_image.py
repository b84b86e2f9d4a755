"""The dock Cluster one image, pressed and clicked in a real window."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_medseg.engine.cluster.focus import FOCUSES
from napari_medseg.engine.cluster.job import cluster
from napari_medseg.session.history.accepted import accepted
from napari_medseg.widgets.cluster_image import ClusterImage

from .by_example import click, press_and_wait

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui

SPOTS = np.zeros((3, 60, 80), bool)
SPOTS[:, 10:20, 10:25] = True
SPOTS[:, 35:50, 50:70] = True
FIRST, SECOND = (15, 15), (40, 60)


def spots() -> np.ndarray:
    """A dark volume with two bright rectangles on every plane."""
    slope = np.broadcast_to(np.arange(SPOTS.shape[-1]), SPOTS.shape)
    return (300.0 + slope + 1000.0 * SPOTS).astype(np.float32)


@pytest.fixture
def dock(viewer: Viewer) -> ClusterImage:
    viewer.add_image(spots(), name="spots", scale=(4, 1, 1), translate=(0, 7, 3), units=("mm",) * 3)
    viewer.dims.set_current_step(0, 0)
    dock = ClusterImage(viewer)
    viewer.window.add_dock_widget(dock, name="Cluster one image", area="right")
    choose(dock, "kmeans")
    return dock


def test_without_an_image_the_first_step_is_told(viewer: Viewer) -> None:
    dock = ClusterImage(viewer)
    viewer.window.add_dock_widget(dock, name="Cluster one image", area="right")
    assert "Open an image" in dock.message.text()


def choose(dock: ClusterImage, method: str) -> None:
    dock.details.method.setCurrentIndex(dock.details.method.findData(method))


def take(dock: ClusterImage, qtbot: QtBot, row: int, column: int) -> None:
    with qtbot.waitSignal(dock.pick.ended):
        dock.view.clicked.emit(row, column)


def test_run_shows_what_the_python_call_gives_on_the_plane_on_display(
    dock: ClusterImage, qtbot: QtBot
) -> None:
    dock.viewer.dims.set_current_step(0, 1)
    press_and_wait(qtbot, dock.run)
    layer = dock.view.layer
    assert layer.data.shape == (1, 60, 80)
    np.testing.assert_array_equal(layer.data[0], cluster(spots(), "kmeans").labels[1])
    np.testing.assert_allclose(layer.data_to_world((0, 5, 6)), (4, 12, 9))
    assert layer.metadata["medseg"]["provenance"]["model"] == "kmeans"
    assert dock.case.labels is None, "nothing is the user's before she clicks"
    assert "2 clusters" in dock.message.text()


def test_a_click_takes_one_piece_as_one_undo_step(dock: ClusterImage, qtbot: QtBot) -> None:
    dock.viewer.dims.set_current_step(0, 1)
    press_and_wait(qtbot, dock.run)
    take(dock, qtbot, *FIRST)
    labels, image = dock.case.labels, dock.case.image
    expected = np.zeros(SPOTS.shape, np.uint8)
    expected[1, 10:20, 10:25] = 1
    np.testing.assert_array_equal(labels.data, expected)
    np.testing.assert_array_equal(labels.translate, image.translate)
    assert labels.units == image.units
    assert dock.viewer.layers.selection.active is dock.view.layer, "ready for the next click"
    entry = accepted(labels)[0]
    assert entry["planes"] == [[1, None, None]]
    assert entry["accepted_with"]["at"] == list(FIRST)
    take(dock, qtbot, *SECOND)
    assert labels.data[1][SPOTS[1]].all()
    labels.undo()
    np.testing.assert_array_equal(labels.data, expected)
    labels.undo()
    assert not labels.data.any()


def test_a_click_on_another_plane_says_where_the_clusters_are(
    dock: ClusterImage, qtbot: QtBot
) -> None:
    press_and_wait(qtbot, dock.run)
    dock.viewer.dims.set_current_step(0, dock.clusters.region.stack.position + 1)
    dock.view._on_click(SimpleNamespace(position=(0.0, 30.0, 30.0)))
    assert "The clusters are of another plane" in dock.message.text()
    assert dock.case.labels is None or not np.asarray(dock.case.labels.data).any()


def test_clusters_stay_when_another_image_is_opened(dock: ClusterImage, qtbot: QtBot) -> None:
    press_and_wait(qtbot, dock.run)
    image = dock.case.image
    dock.viewer.add_image(np.array(image.data), name="another", scale=image.scale)
    assert dock.case.image is image and dock.clusters is not None
    assert "The dock still works on" in dock.message.text()


def test_the_whole_cluster_becomes_the_class_chosen(dock: ClusterImage, qtbot: QtBot) -> None:
    press_and_wait(qtbot, dock.run)
    click(qtbot, dock.whole)
    dock.classes._on_add()
    take(dock, qtbot, *FIRST)
    np.testing.assert_array_equal(dock.case.labels.data[0], 2 * SPOTS[0])
    assert dock.case.labels.metadata["medseg"]["class_names"] == [
        "background",
        "class 1",
        "class 2",
    ]


def test_labels_that_are_there_are_kept_unless_told(dock: ClusterImage, qtbot: QtBot) -> None:
    press_and_wait(qtbot, dock.run)
    labels = dock.case.new_labels()
    labels.data_setitem((np.array([0]), np.array([15]), np.array([15])), np.array([3]))
    take(dock, qtbot, *FIRST)
    assert labels.data[0, 15, 15] == 3
    assert labels.data[0, 15, 16] == 1
    dock.replace.setChecked(True)
    take(dock, qtbot, *FIRST)
    assert labels.data[0, 15, 15] == 1


def test_an_approved_plane_is_left_alone(dock: ClusterImage, qtbot: QtBot) -> None:
    press_and_wait(qtbot, dock.run)
    labels = dock.case.new_labels()
    dock.case.set_approved((0, None, None), True)
    take(dock, qtbot, *FIRST)
    assert not labels.data.any()
    assert "approved" in dock.message.text()


def test_only_the_rectangle_that_was_drawn_is_clustered(dock: ClusterImage, qtbot: QtBot) -> None:
    click(qtbot, dock.where.draw_button)
    shapes = dock.viewer.layers.selection.active
    assert shapes.mode == "add_rectangle"
    press_and_wait_for_problem(dock, qtbot, "Draw a rectangle")
    corners = [(0, 5, 6), (0, 5, 40), (0, 30, 40), (0, 30, 6)]
    shapes.add_rectangles(np.array(corners, float))
    press_and_wait(qtbot, dock.run)
    assert dock.clusters.region.window.slices == (slice(5, 31), slice(6, 41))
    corner = dock.case.image.data_to_world((0, 5, 6))
    np.testing.assert_allclose(dock.view.layer.data_to_world((0, 0, 0)), corner)
    take(dock, qtbot, *FIRST)
    np.testing.assert_array_equal(dock.case.labels.data[0, :30, :40], SPOTS[0, :30, :40])
    take(dock, qtbot, *SECOND)
    assert not dock.case.labels.data[0, 35:].any(), "a click beside the rectangle takes nothing"


def press_and_wait_for_problem(dock: ClusterImage, qtbot: QtBot, words: str) -> None:
    with qtbot.waitSignal(dock.run.failed):
        click(qtbot, dock.run)
    assert words in dock.message.text()


def test_s3net_is_watched_and_cancel_keeps_the_current_state(
    dock: ClusterImage, qtbot: QtBot
) -> None:
    choose(dock, "s3net")
    seen: list[int] = []

    def cancel_after_two(progress: object) -> None:
        if dock.clusters is not None:
            seen.append(dock.clusters.count)
            np.testing.assert_array_equal(dock.view.layer.data[0], dock.clusters.labels)
        if len(seen) == 2 and dock.run.text() == "Cancel":
            click(qtbot, dock.run)

    dock.run.progressed.connect(cancel_after_two)
    press_and_wait(qtbot, dock.run, timeout=120_000)
    assert len(seen) >= 2
    assert dock.clusters.count == seen[-1]
    made = dock.view.layer.metadata["medseg"]["provenance"]["parameters"]
    assert made["stop_after"] == len(seen)
    assert f"Stopped at {seen[-1]} clusters" in dock.message.text()
    take(dock, qtbot, *FIRST)
    assert dock.case.labels.data[0][FIRST] == 1


def test_deleting_the_clusters_or_the_image_on_the_way_is_harmless(
    dock: ClusterImage, qtbot: QtBot
) -> None:
    press_and_wait(qtbot, dock.run)
    dock.viewer.layers.remove(dock.view.layer)
    assert dock.clusters is None
    press_and_wait(qtbot, dock.run)
    dock.viewer.layers.remove(dock.case.image)
    assert len(dock.viewer.layers) == 0
    assert not dock.run.isEnabled()
    assert "Open an image" in dock.run.toolTip()


def test_a_click_while_it_runs_asks_to_wait(
    dock: ClusterImage, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slow_job(*_: object):
        from napari_medseg.engine.results import Progress

        yield Progress(0, 1)
        go_on.wait(30)
        yield Progress(1, 1)

    monkeypatch.setattr("napari_medseg.widgets.cluster_image.cluster_region_job", slow_job)
    with qtbot.waitSignal(dock.run.progressed):
        click(qtbot, dock.run)
    dock.take(*FIRST)
    assert "Wait" in dock.message.text()
    dock.run.cancel()
    with qtbot.waitSignal(dock.run.ended):
        go_on.set()


def test_closing_the_dock_leaves_nothing_behind(dock: ClusterImage, qtbot: QtBot) -> None:
    press_and_wait(qtbot, dock.run)
    dock.viewer.window.remove_dock_widget(dock)
    assert [layer.name for layer in dock.viewer.layers] == ["spots"]
    dock.viewer.dims.set_current_step(0, 2)


def test_only_what_counts_for_a_method_can_be_set(dock: ClusterImage) -> None:
    details = dock.details
    assert details.clusters.isEnabled()
    assert details.seed.isEnabled()
    assert not details.iterations.isEnabled()
    choose(dock, "s3net-improved")
    assert details.iterations.isEnabled()
    assert not details.clusters.isEnabled()
    assert details.options().method == "s3net-improved"
    choose(dock, "otsu")
    assert not details.seed.isEnabled()


def test_everything_that_can_be_looked_for_is_in_the_list_and_explained(dock: ClusterImage) -> None:
    focus = dock.details.focus
    assert {focus.itemData(index) for index in range(focus.count())} == set(FOCUSES)
    focus.setCurrentText("A lesion on skin")
    assert dock.details.options().focus == "lesion"
    assert "blue light" in focus.toolTip()
