"""Journey B: the clinician segments with a model, with mouse and keys in a real window."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from qtpy.QtCore import QPoint, Qt

import napari_medseg as medseg
from napari_medseg.session.history import accepted
from napari_medseg.zoo import architectures
from tests.widgets.by_example import click, press_and_wait
from tests.widgets.test_model_zoo import filled_in
from tests.widgets.with_model import THREE, TILES
from tests.zoo.nets import small_net

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot
    from qtpy.QtWidgets import QWidget

pytestmark = [pytest.mark.gui, pytest.mark.slow]
PLANE = 4
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def window(make_napari_viewer_proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Viewer:
    """A window on the sample heart, and one model: what is bright is blood, what is dark is air."""
    from tests.engine.pretrained import BrightNet, write_pretrained

    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setitem(architectures.NETS, "BrightNet", "tests.engine.pretrained")
    stated = {"input": TILES, "modalities": ("MRI (cardiac)",), **THREE}
    write_pretrained(tmp_path / "models", "heart", BrightNet(3), **stated)
    viewer = make_napari_viewer_proxy(show=True)
    viewer = getattr(viewer, "__wrapped__", viewer)
    viewer.window.resize(1280, 720)
    viewer.open_sample("napari-medseg", "cardiac_mr")
    for layer in [layer for layer in viewer.layers if layer.name != "Cardiac MR"]:
        viewer.layers.remove(layer)
    return viewer


def canvas(viewer: Viewer) -> QWidget:
    return viewer.window._qt_viewer.canvas.native


def on_canvas(viewer: Viewer, scale: np.ndarray, row: int, column: int) -> QPoint:
    """Find a pixel of the plane on the canvas."""
    camera, widget = viewer.scene.camera, canvas(viewer)
    offset = (np.array([row, column]) * scale[-2:] - camera.center[-2:]) * camera.zoom
    return QPoint(round(widget.width() / 2 + offset[1]), round(widget.height() / 2 + offset[0]))


def test_from_the_card_to_accepted_labels(window: Viewer, qtbot: QtBot, tmp_path: Path) -> None:
    _, dock = window.window.add_plugin_dock_widget("napari-medseg", "Segment with a model")
    case, answers = dock.case, dock.answers

    # The dock is pointed at the image; cards that fit come first, and the first one is chosen.
    assert case.image.name == "Cardiac MR"
    first = [view.card for view in dock.cards.shown[:2]]
    assert "heart" in [card.name for card in first], "hippocampus is for MRI as well"
    assert dock.cards.chosen is first[0]
    heart = next(view for view in dock.cards.views if view.card.name == "heart")
    qtbot.mouseClick(heart, Qt.MouseButton.LeftButton)

    # A wrong file is refused with the reason; a right one becomes a card.
    (tmp_path / "letter.pth").write_text("Dear colleague")
    dock.zoo.ask_file = lambda: str(tmp_path / "letter.pth")
    with qtbot.waitSignal(dock.zoo.inspect.ended, timeout=60_000):
        dock.zoo.import_button.menu().actions()[0].trigger()
    assert "letter.pth" in dock.message.text()
    torch.save(small_net().state_dict(), tmp_path / "net.pth")
    dock.zoo.ask_file = lambda: str(tmp_path / "net.pth")
    dock.zoo.ask_card = partial(filled_in, name="imported", classes="a, b")
    with qtbot.waitSignal(dock.zoo.zoo_changed, timeout=60_000):
        dock.zoo.import_button.menu().actions()[0].trigger()
    assert dock.cards.chosen.name == "imported"
    heart = next(view for view in dock.cards.views if view.card.name == "heart")
    qtbot.mouseClick(heart, Qt.MouseButton.LeftButton)
    assert dock.cards.chosen.name == "heart"

    # One key segments the plane under the slider; Esc on the canvas leaves no trace.
    window.dims.set_current_step(0, PLANE)
    with qtbot.waitSignal(dock.jobs.plane.ended, timeout=240_000):
        qtbot.keyClick(canvas(window), Qt.Key.Key_Return, CTRL)
    assert case.proposal.positions == [PLANE]
    assert window.layers.selection.active is answers.view.layer
    qtbot.keyClick(canvas(window), Qt.Key.Key_Escape)
    assert case.proposal is None
    assert [layer.name for layer in window.layers] == ["Cardiac MR"]

    # All planes; moving the threshold and cleaning up change the proposal at once.
    press_and_wait(qtbot, dock.jobs.volume, timeout=240_000)
    whole = medseg.segment(case.image.data, "heart")
    np.testing.assert_array_equal(answers.view.layer.data[PLANE], whole.labels[PLANE])
    answers.panel.slider.setValue(80)
    expected = medseg.segment(case.image.data, "heart", threshold=0.8)
    np.testing.assert_array_equal(answers.view.layer.data[PLANE], expected.labels[PLANE])
    click(qtbot, answers.live.largest)
    qtbot.waitUntil(lambda: not answers.cleaner.is_behind, timeout=60_000)

    # A click accepts the piece under it, Enter the rest; each is one undo step.
    proposed = case.proposal.labels(PLANE)
    rows, columns = np.nonzero(proposed == 1)
    middle = int(np.argmin(np.hypot(rows - rows.mean(), columns - columns.mean())))
    row, column = int(rows[middle]), int(columns[middle])
    at = on_canvas(window, case.image.scale, row, column)
    qtbot.mouseClick(canvas(window), Qt.MouseButton.LeftButton, pos=at)
    labels = case.labels
    assert labels.data[PLANE, row, column] == 1
    piece = labels.data.copy()
    qtbot.keyClick(canvas(window), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: case.proposal is None, timeout=60_000)
    post = medseg.segment(
        case.image.data, "heart", threshold=0.8, post=type(answers.live.post)(largest=True)
    )
    np.testing.assert_array_equal(labels.data, post.labels)
    assert labels.metadata["medseg"]["class_names"] == ["background", "bright", "dark"]
    assert [entry["model"] for entry in accepted(labels)] == ["heart", "heart"]
    labels.undo()
    np.testing.assert_array_equal(labels.data, piece)
    labels.undo()
    assert not labels.data.any()
