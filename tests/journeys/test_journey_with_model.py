"""Journey B: the clinician segments with a model, with mouse and keys in a real window."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt

import napari_medseg as medseg
from napari_medseg.session.history.accepted import accepted
from napari_medseg.zoo import architectures
from tests.widgets.by_example import click, press_and_wait
from tests.widgets.test_model_zoo import filled_in
from tests.widgets.with_model import THREE, TILES
from tests.zoo.nets import small_net

from .person import CTRL, Person, middle_of

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_medseg.widgets.segment_with_model import SegmentWithModel

pytestmark = [pytest.mark.gui, pytest.mark.slow]
PLANE = 4
LONG = 240_000


class Clinician(Person):
    """Opens the sample heart and the dock."""

    def __init__(self, viewer: Viewer, qtbot: QtBot) -> None:
        super().__init__(viewer, qtbot)
        viewer.open_sample("napari-medseg", "cardiac_mr")
        for layer in [layer for layer in viewer.layers if layer.name != "Cardiac MR"]:
            viewer.layers.remove(layer)
        self.dock: SegmentWithModel = self.open_dock("Segment with a model")

    def choose_heart(self) -> None:
        heart = next(view for view in self.dock.cards.views if view.card.name == "heart")
        self.qtbot.mouseClick(heart, Qt.MouseButton.LeftButton)
        assert self.dock.cards.chosen.name == "heart"

    def import_file(self, path: Path) -> None:
        self.dock.zoo.ask_file = lambda: str(path)
        self.dock.zoo.import_button.menu().actions()[0].trigger()


@pytest.fixture
def user(
    window: Viewer, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Clinician:
    """Has one model of her own: what is bright is blood, what is dark is air."""
    from tests.engine.pretrained import BrightNet, write_pretrained

    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setitem(architectures.NETS, "BrightNet", "tests.engine.pretrained")
    stated = {"input": TILES, "modalities": ("MRI (cardiac)",), **THREE}
    write_pretrained(tmp_path / "models", "heart", BrightNet(3), **stated)
    return Clinician(window, qtbot)


def test_she_chooses_and_imports_models(user: Clinician, tmp_path: Path) -> None:
    dock, qtbot = user.dock, user.qtbot

    # The dock is pointed at the image; cards that fit come first, and the first one is chosen.
    assert dock.case.image.name == "Cardiac MR"
    assert dock.cards.shown[0].card.name == "heart", "hippocampus is for MRI, but not of the heart"
    assert dock.cards.chosen.name == "heart"
    user.choose_heart()

    # A wrong file is refused with the reason; a right one becomes a card.
    (tmp_path / "letter.pth").write_text("Dear colleague")
    with qtbot.waitSignal(dock.zoo.inspect.ended, timeout=60_000):
        user.import_file(tmp_path / "letter.pth")
    assert "letter.pth" in dock.message.text()
    torch.save(small_net().state_dict(), tmp_path / "net.pth")
    dock.zoo.ask_card = partial(filled_in, name="imported", classes="a, b")
    with qtbot.waitSignal(dock.zoo.zoo_changed, timeout=60_000):
        user.import_file(tmp_path / "net.pth")
    assert dock.cards.chosen.name == "imported"
    user.choose_heart()


def test_one_key_segments_a_plane_and_another_takes_it_back(user: Clinician) -> None:
    dock, layers = user.dock, user.viewer.layers
    user.choose_heart()
    user.go_to(PLANE)
    with user.qtbot.waitSignal(dock.jobs.plane.ended, timeout=LONG):
        user.press_key(Qt.Key.Key_Return, CTRL)
    assert dock.case.proposal.positions == [PLANE]
    assert layers.selection.active is dock.answers.view.layer
    user.press_key(Qt.Key.Key_Escape)
    assert dock.case.proposal is None
    assert [layer.name for layer in layers] == ["Cardiac MR"]


def test_she_segments_a_volume_and_accepts_what_she_made_of_it(user: Clinician) -> None:
    user.choose_heart()
    user.go_to(PLANE)
    _cut_and_clean_up(user)
    _accept_a_piece_and_the_rest(user)


def _cut_and_clean_up(user: Clinician) -> None:
    """All planes; moving the threshold and cleaning up change the proposal at once."""
    answers, image = user.dock.answers, user.dock.case.image.data
    press_and_wait(user.qtbot, user.dock.jobs.volume, timeout=LONG)
    whole = medseg.segment(image, "heart")
    np.testing.assert_array_equal(answers.view.layer.data[PLANE], whole.labels[PLANE])
    answers.panel.slider.setValue(80)
    expected = medseg.segment(image, "heart", threshold=0.8)
    np.testing.assert_array_equal(answers.view.layer.data[PLANE], expected.labels[PLANE])
    click(user.qtbot, answers.live.largest)
    user.qtbot.waitUntil(lambda: not answers.cleaner.is_behind, timeout=60_000)


def _accept_a_piece_and_the_rest(user: Clinician) -> None:
    """A click accepts the piece under it, Enter the rest; each is one undo step."""
    case = user.dock.case
    row, column = middle_of(case.proposal.labels(PLANE) == 1)
    user.click_on(case.image, row, column)
    labels = case.labels
    assert labels.data[PLANE, row, column] == 1
    piece = labels.data.copy()
    user.press_key(Qt.Key.Key_Return)
    user.qtbot.waitUntil(lambda: case.proposal is None, timeout=60_000)
    cleaned = medseg.segment(
        case.image.data, "heart", threshold=0.8, post=medseg.PostProcess(largest=True)
    )
    np.testing.assert_array_equal(labels.data, cleaned.labels)
    assert labels.metadata["medseg"]["class_names"] == ["background", "bright", "dark"]
    assert [entry["model"] for entry in accepted(labels)] == ["heart", "heart"]
    labels.undo()
    np.testing.assert_array_equal(labels.data, piece)
    labels.undo()
    assert not labels.data.any()
