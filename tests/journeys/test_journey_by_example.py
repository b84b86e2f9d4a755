"""Journey A: the clinician segments by example, with mouse and keys in a real window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_medseg.engine.by_example.job import segment_by_example
from napari_medseg.engine.by_example.options import DEFAULT_MODEL
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.zoo.registry import list_models
from tests.widgets.by_example import click, press_and_wait
from tests.widgets.conftest import handmade_model, handmade_models  # noqa: F401

from .person import CTRL, SHIFT, Person

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_medseg.widgets.segment_by_example import SegmentByExample

pytestmark = [pytest.mark.gui, pytest.mark.slow]
PAINTED = 4
NEXT = PAINTED + 1
LONG = 240_000


class Clinician(Person):
    """Opens the sample heart, which is painted already, and the dock."""

    def __init__(self, viewer: Viewer, qtbot: QtBot, model: str) -> None:
        super().__init__(viewer, qtbot)
        viewer.open_sample("napari-medseg", "cardiac_mr")
        self.dock: SegmentByExample = self.open_dock("Segment by example")
        answer = next(layer for layer in viewer.layers if "right answer" in layer.name)
        self.truth = np.asarray(answer.data)
        self.before = self.dock.case.labels.data.copy()
        self.has_weights = DEFAULT_MODEL in {card.name for card in list_models()}
        self.choose_model(DEFAULT_MODEL if self.has_weights else model)

    def choose_model(self, name: str) -> None:
        box = self.dock.details.model
        box.setCurrentIndex([box.itemData(i).name for i in range(box.count())].index(name))

    def sees_labels_untouched(self) -> bool:
        return np.array_equal(self.dock.case.labels.data, self.before)

    def dice(self, labels: np.ndarray, plane: int) -> float:
        found, truth = labels > 0, self.truth[plane] > 0
        return 2 * (found & truth).sum() / (found.sum() + truth.sum())


def test_by_example_from_the_first_stroke_to_the_saved_examples(
    window: Viewer,
    qtbot: QtBot,
    tmp_path: Path,
    handmade_model: str,  # noqa: F811
) -> None:
    user = Clinician(window, qtbot, handmade_model)
    _finds_image_classes_and_brush(user)
    user.go_to(PAINTED)
    _takes_a_stroke_back(user)
    _adds_the_painted_plane_with_a_key(user)
    user.go_to(NEXT)
    _rejects_a_proposal(user)
    _accepts_a_piece_and_then_the_rest(user)
    _cancels_the_volume_and_keeps_what_is_done(user)
    _adds_a_corrected_plane(user)
    _saves_the_examples_without_a_name(user, tmp_path / "examples")


def _finds_image_classes_and_brush(user: Clinician) -> None:
    case = user.dock.case
    assert case.image.name == "Cardiac MR"
    assert case.examples.class_names[1:] == ("right ventricle", "myocardium", "left ventricle")
    assert case.labels.mode == "paint"
    assert np.array_equal(case.labels.scale, case.image.scale)


def _takes_a_stroke_back(user: Clinician) -> None:
    case = user.dock.case
    assert user.before[PAINTED].any()
    user.drag_on(case.image, (20, 20), (20, 40))
    assert (case.labels.data[PAINTED] != user.before[PAINTED]).any()
    user.press_key(Qt.Key.Key_Z, CTRL)
    assert user.sees_labels_untouched()


def _adds_the_painted_plane_with_a_key(user: Clinician) -> None:
    with user.qtbot.waitSignal(user.dock.jobs.add.ended):
        user.press_key(Qt.Key.Key_E, CTRL | SHIFT)
    assert len(user.dock.strip.cards) == 1
    assert user.sees_labels_untouched()


def _rejects_a_proposal(user: Clinician) -> None:
    """Esc on the canvas leaves no trace."""
    press_and_wait(user.qtbot, user.dock.jobs.plane, timeout=LONG)
    proposal = user.dock.view.layer
    assert proposal.contour > 0
    assert not proposal.editable
    assert user.sees_labels_untouched()
    user.press_key(Qt.Key.Key_Escape)
    assert user.dock.case.proposal is None
    assert user.sees_labels_untouched()


def _accepts_a_piece_and_then_the_rest(user: Clinician) -> None:
    """A click and Enter; the labels are those that the Python call gives."""
    case, model = user.dock.case, user.dock.details.model.currentData()
    press_and_wait(user.qtbot, user.dock.jobs.plane, timeout=LONG)
    support = case.examples.support()
    whole = segment_by_example(case.image.data, support, model=model, planes=[NEXT])
    expected = whole.labels[NEXT]
    assert np.array_equal(case.proposal.labels(NEXT), expected)
    if user.has_weights:
        assert user.dice(expected, NEXT) > 0.5
    row, column = (int(i[len(i) // 2]) for i in np.nonzero(expected))
    user.click_on(case.image, row, column)
    labels = case.labels
    assert labels.data[NEXT, row, column] == expected[row, column]
    assert case.proposal is not None
    user.press_key(Qt.Key.Key_Return)
    assert case.proposal is None
    assert np.array_equal(labels.data[NEXT], expected)
    labels.undo()
    labels.undo()
    assert user.sees_labels_untouched()


def _cancels_the_volume_and_keeps_what_is_done(user: Clinician) -> None:
    """The nearest planes come first; what is done stays proposed and can be accepted."""
    dock, case = user.dock, user.dock.case

    def cancel_after_two(progress: object) -> None:
        if progress.done == 2 and dock.jobs.volume.text() == "Cancel":
            click(user.qtbot, dock.jobs.volume)

    dock.jobs.volume.progressed.connect(cancel_after_two)
    press_and_wait(user.qtbot, dock.jobs.volume, timeout=LONG)
    assert set(case.proposal.positions) >= {PAINTED - 1, NEXT}
    assert PAINTED not in case.proposal.positions
    click(user.qtbot, dock.panel.accept_button)
    assert case.labels.data[NEXT].any()
    assert np.array_equal(case.labels.data[PAINTED], user.before[PAINTED])


def _adds_a_corrected_plane(user: Clinician) -> None:
    user.go_to(NEXT)
    press_and_wait(user.qtbot, user.dock.jobs.add)
    assert len(user.dock.strip.cards) == 2


def _saves_the_examples_without_a_name(user: Clinician, folder: Path) -> None:
    """A colleague gets a folder in which the patient is not named."""
    user.dock.jobs.ask_where_to_save = lambda: str(folder)
    press_and_wait(user.qtbot, user.dock.jobs.save)
    saved = SupportSet.load(folder)
    assert [example.classes for example in saved] == [
        entry.example.classes for entry in user.dock.case.examples.entries
    ]
    assert b"Cardiac MR" not in (folder / "support.json").read_bytes()
