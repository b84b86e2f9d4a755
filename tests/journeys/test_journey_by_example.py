"""Journey A: the clinician segments by example, with mouse and keys in a real window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_medseg.engine.by_example import DEFAULT_MODEL, segment_by_example
from napari_medseg.engine.support import SupportSet
from napari_medseg.zoo.registry import list_models
from tests.widgets.by_example import click, press_and_wait
from tests.widgets.conftest import handmade_model, handmade_models  # noqa: F401

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

    from napari_medseg.widgets.segment_by_example import SegmentByExample

pytestmark = [pytest.mark.gui, pytest.mark.slow]
PAINTED = 4


class Clinician:
    """Does with the window what a person does."""

    def __init__(self, viewer: Viewer, qtbot: QtBot) -> None:
        self.viewer, self.qtbot = viewer, qtbot
        viewer.window.resize(1280, 720)
        viewer.open_sample("napari-medseg", "cardiac_mr")
        _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment by example")
        self.dock: SegmentByExample = dock
        answer = next(layer for layer in viewer.layers if "right answer" in layer.name)
        self.truth = np.asarray(answer.data)
        qtbot.wait(50)

    @property
    def canvas(self) -> QWidget:
        return self.viewer.window._qt_viewer.canvas.native

    def on_canvas(self, row: float, column: float) -> QPoint:
        """Find a pixel of the plane on the canvas."""
        camera, widget = self.viewer.scene.camera, self.canvas
        scale = self.dock.case.image.scale[-2:]
        offset = (np.array([row, column]) * scale - np.array(camera.center[-2:])) * camera.zoom
        return QPoint(round(widget.width() / 2 + offset[1]), round(widget.height() / 2 + offset[0]))

    def go_to(self, plane: int) -> None:
        self.viewer.dims.set_current_step(0, plane)
        self.qtbot.wait(20)

    def dice(self, labels: np.ndarray, plane: int) -> float:
        found, truth = labels > 0, self.truth[plane] > 0
        return 2 * (found & truth).sum() / (found.sum() + truth.sum())


@pytest.fixture
def window(make_napari_viewer_proxy) -> Viewer:
    viewer = make_napari_viewer_proxy(show=True)
    return getattr(viewer, "__wrapped__", viewer)


def test_by_example_from_the_first_stroke_to_the_saved_examples(
    window: Viewer,
    qtbot: QtBot,
    tmp_path: Path,
    handmade_model: str,  # noqa: F811
) -> None:
    user = Clinician(window, qtbot)
    dock, case = user.dock, user.dock.case

    # 1, 2: the dock is pointed at the image, the classes have names, the brush is ready.
    assert case.image.name == "Cardiac MR"
    assert case.examples.class_names[1:] == ("right ventricle", "myocardium", "left ventricle")
    labels = case.labels
    assert labels.mode == "paint"
    assert np.array_equal(labels.scale, case.image.scale)
    model = dock.details.model
    model.setCurrentIndex(model.findText(handmade_model))
    has_weights = DEFAULT_MODEL in {card.name for card in list_models()}
    if has_weights:
        model.setCurrentIndex(
            next(i for i in range(model.count()) if model.itemData(i).name == DEFAULT_MODEL)
        )

    # A stroke of the brush, taken back with Ctrl+Z.
    user.go_to(PAINTED)
    before = labels.data.copy()
    assert before[PAINTED].any()
    start, end = user.on_canvas(20, 20), user.on_canvas(20, 40)
    qtbot.mousePress(user.canvas, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(user.canvas, end)
    qtbot.mouseRelease(user.canvas, Qt.MouseButton.LeftButton, pos=end)
    assert (labels.data[PAINTED] != before[PAINTED]).any()
    qtbot.keyClick(user.canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert np.array_equal(labels.data, before)

    # 3: the painted plane becomes an example, with its key.
    with qtbot.waitSignal(dock.jobs.add.ended):
        qtbot.keyClick(
            user.canvas,
            Qt.Key.Key_E,
            Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
        )
    assert len(dock.strip.cards) == 1
    assert np.array_equal(labels.data, before)

    # 4: a proposal on the next plane; rejected with Esc on the canvas, it leaves no trace.
    user.go_to(PAINTED + 1)
    press_and_wait(qtbot, dock.jobs.plane, timeout=240_000)
    proposal = dock.view.layer
    assert proposal.contour > 0
    assert not proposal.editable
    assert np.array_equal(labels.data, before)
    qtbot.keyClick(user.canvas, Qt.Key.Key_Escape)
    assert case.proposal is None
    assert np.array_equal(labels.data, before)

    # The same labels as the Python call gives; a click accepts one piece, Enter the rest.
    press_and_wait(qtbot, dock.jobs.plane, timeout=240_000)
    expected = segment_by_example(
        case.image.data,
        case.examples.support(),
        model=model.currentData(),
        planes=[PAINTED + 1],
    ).labels[PAINTED + 1]
    assert np.array_equal(case.proposal.labels(PAINTED + 1), expected)
    if has_weights:
        assert user.dice(expected, PAINTED + 1) > 0.5
    row, column = (int(i[len(i) // 2]) for i in np.nonzero(expected))
    qtbot.mouseClick(user.canvas, Qt.MouseButton.LeftButton, pos=user.on_canvas(row, column))
    assert labels.data[PAINTED + 1, row, column] == expected[row, column]
    assert case.proposal is not None
    qtbot.keyClick(user.canvas, Qt.Key.Key_Return)
    assert case.proposal is None
    assert np.array_equal(labels.data[PAINTED + 1], expected)
    labels.undo()
    labels.undo()
    assert np.array_equal(labels.data, before)

    # 5: the volume, nearest planes first, cancelled on the way; what is done stays proposed.
    def cancel_after_two(progress: object) -> None:
        if progress.done == 2 and dock.jobs.volume.text() == "Cancel":
            click(qtbot, dock.jobs.volume)

    dock.jobs.volume.progressed.connect(cancel_after_two)
    press_and_wait(qtbot, dock.jobs.volume, timeout=240_000)
    assert set(case.proposal.positions) >= {PAINTED - 1, PAINTED + 1}
    assert PAINTED not in case.proposal.positions
    click(qtbot, dock.panel.accept_button)
    assert labels.data[PAINTED + 1].any()
    assert np.array_equal(labels.data[PAINTED], before[PAINTED])

    # 6: a corrected plane is one example more.
    user.go_to(PAINTED + 1)
    press_and_wait(qtbot, dock.jobs.add)
    assert len(dock.strip.cards) == 2

    # 8: the examples are a folder for a colleague, without the patient's name.
    folder = tmp_path / "examples"
    dock.jobs.ask_where_to_save = lambda: str(folder)
    press_and_wait(qtbot, dock.jobs.save)
    saved = SupportSet.load(folder)
    assert [example.classes for example in saved] == [
        entry.example.classes for entry in case.examples.entries
    ]
    assert b"Cardiac MR" not in (folder / "support.json").read_bytes()
