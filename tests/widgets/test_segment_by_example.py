"""The dock, pressed and clicked in a real window."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QLineEdit

from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.engine.results import Job, Progress
from napari_medseg.session.by_example.jobs import predict_job
from napari_medseg.session.edits import Mode
from napari_medseg.session.history.accepted import accepted
from napari_medseg.widgets.parts.clicks import on_click
from napari_medseg.widgets.parts.proposals.panel import ProposalPanel

from .by_example import PLANES, click, open_dock, paint, press_and_wait, volume

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_medseg.widgets.segment_by_example import SegmentByExample

pytestmark = pytest.mark.gui


def go_to(dock: SegmentByExample, position: int) -> None:
    dock.viewer.dims.set_current_step(0, position)


def add_example(dock: SegmentByExample, qtbot: QtBot, position: int = 4) -> None:
    """Paint the truth on a plane and add it."""
    if dock.case.labels is None:
        click(qtbot, dock.new_button)
    go_to(dock, position)
    paint(dock, volume()[1][position])
    press_and_wait(qtbot, dock.jobs.add)


def predict(dock: SegmentByExample, qtbot: QtBot, position: int) -> None:
    go_to(dock, position)
    press_and_wait(qtbot, dock.jobs.plane)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * ((a > 0) & (b > 0)).sum() / ((a > 0).sum() + (b > 0).sum())


def test_it_opens_pointed_at_the_image_and_says_what_is_missing(dock: SegmentByExample) -> None:
    assert dock.case.image.name == "ball"
    assert dock.images.currentText() == "ball"
    for button in (dock.jobs.add, dock.jobs.plane, dock.jobs.volume, dock.jobs.save):
        assert not button.isEnabled()
        assert button.toolTip().endswith((".", "window."))
    assert "New labels" in dock.jobs.add.toolTip()
    assert "example" in dock.jobs.plane.toolTip()


def test_a_hidden_image_is_told_and_left_for_one_that_is_selected(
    dock: SegmentByExample, viewer: Viewer
) -> None:
    first = dock.case.image
    second = viewer.add_image(np.zeros(first.data.shape, np.float32), name="second")
    assert dock.case.image.name == "second"
    viewer.layers.selection.active = first
    assert dock.case.image.name == "second", "both are seen"
    dock.message.done("Saved.")
    second.visible = False
    assert "“second” is hidden" in dock.message.text()
    second.visible = True
    assert (dock.message.kind, dock.message.text()) == ("done", "✓ Saved.")
    second.visible = False
    viewer.layers.selection.active = None
    viewer.layers.selection.active = first
    assert dock.case.image is first
    second.visible = True
    assert "hidden" not in dock.message.text()


def test_an_empty_window_says_to_open_an_image(viewer: Viewer, qtbot: QtBot) -> None:
    dock = open_dock(viewer, qtbot)
    assert not dock.new_button.isEnabled()
    assert "Open an image" in dock.jobs.plane.toolTip()
    viewer.add_image(np.zeros((20, 20)))
    assert dock.case.image is viewer.layers[0].__wrapped__
    assert dock.new_button.isEnabled()


def test_it_opens_with_the_topmost_labels_that_fit_and_are_seen(
    viewer: Viewer, qtbot: QtBot
) -> None:
    image = viewer.add_image(volume()[0])
    viewer.add_labels(np.zeros(image.data.shape, np.uint8), name="mine")
    viewer.add_labels(np.zeros((3, 5, 5), np.uint8), name="of another image")
    viewer.add_labels(np.zeros(image.data.shape, np.uint8), name="hidden", visible=False)
    viewer.layers.selection.active = None
    assert open_dock(viewer, qtbot).case.labels.name == "mine"


def test_a_list_from_which_nothing_is_chosen_says_so(dock: SegmentByExample) -> None:
    dock.viewer.add_labels(np.zeros((3, 5, 5), np.uint8), name="of another image")
    assert dock.case.labels is None
    assert dock.labels.currentIndex() == -1
    assert dock.labels.placeholderText() == dock.labels.toolTip() == "No labels yet"


def test_when_the_image_is_taken_away_labels_of_the_next_one_are_chosen(
    viewer: Viewer, qtbot: QtBot
) -> None:
    other = viewer.add_image(np.zeros((30, 30), np.float32), name="another")
    viewer.add_labels(np.zeros(other.data.shape, np.uint8), name="of the other")
    first = viewer.add_image(volume()[0])
    viewer.add_labels(np.zeros(first.data.shape, np.uint8), name="mine")
    dock = open_dock(viewer, qtbot)
    assert dock.case.labels.name == "mine"
    viewer.layers.remove(first)
    assert dock.case.image.name == "another"
    assert dock.case.labels.name == "of the other"
    assert dock.labels.currentText() == "of the other"


def test_new_labels_lie_on_the_image_with_the_brush_ready(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    click(qtbot, dock.new_button)
    labels, image = dock.case.labels, dock.case.image
    assert labels in dock.viewer.layers
    assert dock.viewer.layers.selection.active is labels
    assert labels.mode == "paint"
    assert np.array_equal(labels.scale, image.scale)
    assert labels.units == image.units
    assert labels.data.shape == image.data.shape
    assert not labels.data.any()


def test_a_plane_without_paint_is_no_example(dock: SegmentByExample, qtbot: QtBot) -> None:
    click(qtbot, dock.new_button)
    click(qtbot, dock.jobs.add)
    assert len(dock.case.examples) == 0
    assert "no paint" in dock.message.text()


def test_an_example_gets_a_picture_and_a_count(dock: SegmentByExample, qtbot: QtBot) -> None:
    add_example(dock, qtbot)
    (card,) = dock.strip.cards
    assert "plane 4" in card.toolTip()
    assert not card.picture.pixmap().isNull()
    assert dock.classes.table.item(0, 1).text() == "1"
    paint(dock, volume()[1][4])
    press_and_wait(qtbot, dock.jobs.add)
    assert len(dock.strip.cards) == 1, "the same plane is not added twice"
    click(qtbot, dock.strip.cards[0].remove)
    assert dock.strip.cards == []
    assert dock.case.labels.data[4].any(), "the paint stays"


def test_predict_and_accept_writes_one_undo_step(dock: SegmentByExample, qtbot: QtBot) -> None:
    add_example(dock, qtbot)
    labels = dock.case.labels
    before = labels.data.copy()
    predict(dock, qtbot, 3)
    assert np.array_equal(labels.data, before)
    click(qtbot, dock.panel.accept_button)
    assert dice(labels.data[3], volume()[1][3]) > 0.9
    assert dock.view.layer is None
    assert dock.viewer.layers.selection.active is labels
    entry = accepted(labels)[0]
    assert (entry["model"], entry["planes"]) == ("intensity", [[3, None, None]])
    labels.undo()
    assert np.array_equal(labels.data, before)
    labels.redo()
    assert labels.data[3].any()


def test_reject_leaves_every_byte_and_the_undo_history(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot)
    labels = dock.case.labels
    before, array = labels.data.tobytes(), labels.data
    predict(dock, qtbot, 3)
    click(qtbot, dock.panel.reject_button)
    assert labels.data is array
    assert labels.data.tobytes() == before
    assert dock.view.layer is None
    labels.undo()
    assert not labels.data.any(), "undo takes back the paint, as before the proposal"


def test_the_threshold_recuts_without_the_net(dock: SegmentByExample, qtbot: QtBot) -> None:
    add_example(dock, qtbot)
    predict(dock, qtbot, 3)
    shown = dock.view.layer
    areas = []
    for value in (10, 50, 95):
        dock.panel.slider.setValue(value)
        areas.append(int((shown.data[3] > 0).sum()))
    assert areas[0] > areas[2] > 0
    assert areas[0] >= areas[1] >= areas[2]
    assert not dock.jobs.is_predicting


def test_enter_accepts_and_escape_rejects_wherever_the_focus_is(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot)
    predict(dock, qtbot, 3)
    qtbot.keyClick(dock.panel.slider, Qt.Key.Key_Escape)
    assert dock.case.proposal is None
    predict(dock, qtbot, 3)
    qtbot.keyClick(dock.jobs.plane, Qt.Key.Key_Return)
    assert dock.case.proposal is None
    assert dock.case.labels.data[3].any()
    predict(dock, qtbot, 2)
    keymap = dock.view.layer.keymap
    undo = {"Ctrl+Z", "Ctrl+Shift+Z"}
    assert {str(key) for key in keymap} == {"Enter", "Shift+Enter", "Escape"} | undo
    layer = dock.view.layer
    next(action for key, action in keymap.items() if str(key) == "Enter")(layer)
    assert dock.case.labels.data[2].any()


def press_on_canvas(dock: SegmentByExample, qtbot: QtBot, *key: object) -> None:
    viewer = getattr(dock.viewer, "__wrapped__", dock.viewer)
    qtbot.keyClick(viewer.window._qt_viewer.canvas.native, *key)


def test_the_answers_say_which_layer_their_keys_need(qtbot: QtBot) -> None:
    panel = ProposalPanel()
    qtbot.addWidget(panel)
    buttons = (panel.accept_button, panel.plane_button, panel.reject_button)
    for keys in (True, False):
        panel.show_keys(keys)
        panel.show_state(2, "", "", False)
        for button in buttons:
            assert ("“proposal” is selected" in button.toolTip()) == keys


def test_after_a_piece_undo_on_the_canvas_takes_it_back(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot)
    predict(dock, qtbot, 3)
    dock.view.clicked.emit(3, 14, 66)
    assert dock.viewer.layers.selection.active is dock.view.layer
    press_on_canvas(dock, qtbot, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not dock.case.labels.data[3].any()


def test_that_something_is_proposed_again_is_told_until_she_goes_on(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot)
    predict(dock, qtbot, 3)
    for go_on in (
        lambda: go_to(dock, 2),
        lambda: setattr(dock.viewer.layers.selection, "active", dock.case.image),
    ):
        dock.answers.accept()
        dock.case.labels.undo()
        assert "proposed again" in dock.message.text()
        go_on()
        assert not dock.message.text()


def test_another_image_of_the_same_size_gets_labels_of_its_own(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot)
    first, image = dock.case.labels, dock.case.image
    before = first.data.copy()
    other = dock.viewer.add_image(np.asarray(image.data), name="next patient")
    dock.case.set_image(other)
    assert dock.case.labels is None
    predict(dock, qtbot, 3)
    click(qtbot, dock.panel.accept_button)
    assert dock.case.labels is not first
    assert dock.case.labels.data[3].any()
    np.testing.assert_array_equal(first.data, before)
    dock.case.set_image(image)
    assert dock.case.labels is first
    dock.labels.picked.emit(first)
    dock.case.set_image(other)
    assert dock.case.labels.name == "next patient labels"


def test_a_click_accepts_one_component(dock: SegmentByExample, qtbot: QtBot) -> None:
    add_example(dock, qtbot)
    predict(dock, qtbot, 3)
    dock.view.clicked.emit(3, 14, 66)
    labels = dock.case.labels.data[3]
    assert labels[14, 66] == 1
    assert not labels[30:].any(), "the ball was not clicked"
    assert dock.case.proposal is not None
    assert dock.view.layer.data[3][14, 66] == 0
    assert dock.view.layer.data[3][48, 36] == 1


@pytest.mark.parametrize(("way", "clicks"), [(3, 1), (40, 0)])
def test_a_hand_that_trembles_clicks_and_one_that_drags_does_not(
    qtbot: QtBot, way: int, clicks: int
) -> None:
    seen: list = []
    event = SimpleNamespace(type="mouse_press", button=1, pos=np.array([50, 50]))
    drag = on_click(seen.append)(None, event)
    next(drag)
    event.type, event.pos = "mouse_move", np.array([50, 50 + way])
    next(drag)
    event.type = "mouse_release"
    next(drag, None)
    assert len(seen) == clicks


def test_existing_labels_are_kept_unless_told(dock: SegmentByExample, qtbot: QtBot) -> None:
    add_example(dock, qtbot)
    labels = dock.case.labels
    dock.classes.add_button.click()
    go_to(dock, 3)
    mine = np.zeros(labels.data.shape[1:], np.uint8)
    mine[44:52, 32:40] = 2
    paint(dock, mine)
    predict(dock, qtbot, 3)
    click(qtbot, dock.panel.accept_button)
    assert (labels.data[3][mine == 2] == 2).all()
    predict(dock, qtbot, 3)
    dock.panel.mode.setCurrentIndex(dock.panel.mode.findData(Mode.OVERWRITE_ALL))
    click(qtbot, dock.panel.accept_button)
    assert not (labels.data[3] == 2).any()


def test_a_photo_predicted_from_grey_examples_is_told_about(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot)
    photo = np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)
    image = dock.viewer.add_image(photo, name="photo", rgb=True)
    dock.images.picked.emit(image)
    press_and_wait(qtbot, dock.jobs.plane)
    assert "The image has colours, the examples are grey" in dock.message.text()


def test_what_to_do_with_an_example_depends_on_whether_there_are_more_planes(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot)
    assert "Go to another plane" in dock.message.text()
    single = dock.viewer.add_image(np.zeros((48, 48), np.float32), name="single")
    dock.images.picked.emit(single)
    click(qtbot, dock.new_button)
    paint(dock, np.eye(48, dtype=np.uint8))
    press_and_wait(qtbot, dock.jobs.add)
    assert "Open another image" in dock.message.text()


def test_the_volume_fills_nearest_first_and_leaves_examples_alone(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot, 4)
    order: list[int] = []
    dock.jobs.volume.progressed.connect(
        lambda progress: order.append(progress.preview.position) if progress.preview else None
    )
    press_and_wait(qtbot, dock.jobs.volume)
    assert order == [3, 5, 2, 6, 1, 7, 0]
    assert 4 not in dock.case.proposal.positions
    assert dock.panel.accept_button.text().startswith("Accept all 7")
    go_to(dock, 5)
    click(qtbot, dock.panel.plane_button)
    labels, truth = dock.case.labels.data, volume()[1]
    assert labels[5].any()
    assert not labels[3].any()
    click(qtbot, dock.panel.accept_button)
    assert all(dice(labels[z], truth[z]) > 0.9 for z in range(PLANES))


def test_cancel_keeps_what_is_done_as_a_proposal(
    dock: SegmentByExample, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_example(dock, qtbot, 0)
    button, third_plane = dock.jobs.volume, threading.Event()
    cancelled_at: list[float] = []

    def slow_job(*args: object) -> Job:
        for progress in (job := predict_job(*args)):
            yield progress
            if progress.done == 3:
                third_plane.wait(10)
        return (yield from job)

    def cancel_after_two(progress: Progress) -> None:
        if progress.done == 2 and progress.preview is not None:
            click(qtbot, button)
            cancelled_at.append(time.monotonic())
            assert (button.text(), button.isEnabled()) == ("Cancelling…", False)
            third_plane.set()

    monkeypatch.setattr("napari_medseg.widgets.parts.by_example.jobs.predict_job", slow_job)
    button.progressed.connect(cancel_after_two)
    press_and_wait(qtbot, button)
    assert time.monotonic() - cancelled_at[0] < 1
    assert 2 <= len(dock.case.proposal.positions) < PLANES - 1
    assert "Cancelled" in dock.message.text()
    assert dock.panel.accept_button.isEnabled()
    assert button.text().startswith("Predict the volume")


def test_another_image_stops_the_prediction_and_says_so(
    dock: SegmentByExample, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless_job(*args: object) -> Job[None]:
        while True:
            time.sleep(0.01)
            yield Progress(0, PLANES)

    add_example(dock, qtbot)
    monkeypatch.setattr("napari_medseg.widgets.parts.by_example.jobs.predict_job", endless_job)
    click(qtbot, dock.jobs.volume)
    dock.viewer.add_image(np.zeros((20, 20), np.float32), name="other")
    assert dock.case.image.name == "ball"
    with qtbot.waitSignal(dock.jobs.volume.ended):
        dock.case.set_image(dock.images.choices[0])
    assert dock.gate.holder is None
    assert "What ran was stopped" in dock.message.text()


def test_an_approved_plane_is_locked_against_prediction_and_brush(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot, 4)
    go_to(dock, 3)
    click(qtbot, dock.approved)
    assert not dock.case.labels.editable
    click(qtbot, dock.jobs.plane)
    assert "approved" in dock.message.text()
    go_to(dock, 5)
    assert dock.case.labels.editable
    assert dock.case.labels.mode == "paint"
    press_and_wait(qtbot, dock.jobs.volume)
    assert 3 not in dock.case.proposal.positions
    go_to(dock, 3)
    assert dock.approved.isChecked()


def test_the_brush_comes_back_when_other_labels_or_no_dock_hold_the_approved_plane(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    click(qtbot, dock.new_button)
    first = dock.case.labels
    click(qtbot, dock.approved)
    assert not first.editable
    click(qtbot, dock.new_button)
    assert (first.editable, first.mode) == (True, "paint")
    dock.case.set_labels(first)
    assert not first.editable
    dock.viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: first.editable)
    assert first.mode == "paint"


def test_classes_are_named_added_and_painted_with(dock: SegmentByExample, qtbot: QtBot) -> None:
    click(qtbot, dock.new_button)
    dock.classes.table.item(0, 0).setText("lesion")
    click(qtbot, dock.classes.add_button)
    dock.classes.table.item(1, 0).setText("vessel")
    assert dock.case.examples.class_names == ("background", "lesion", "vessel")
    assert dock.case.labels.selected_label == 2
    dock.case.labels.selected_label = 1
    assert dock.classes.value == 1
    dock.classes.table.selectRow(1)
    click(qtbot, dock.classes.remove_button)
    assert dock.case.examples.class_names == ("background", "lesion")
    assert not dock.classes.remove_button.isEnabled()


def test_a_class_is_not_added_under_a_name_that_exists(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    click(qtbot, dock.new_button)
    dock.classes.table.item(0, 0).setText("lesion")
    click(qtbot, dock.classes.add_button)
    editor = dock.classes.table.findChild(QLineEdit)
    editor.setText("lesion")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dock.classes.table.rowCount() == 1)
    assert "called “lesion” already" in dock.message.text()
    assert dock.case.examples.class_names == ("background", "lesion")
    assert dock.case.labels.selected_label == 1


def test_a_class_that_is_painted_or_locked_is_not_removed(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    click(qtbot, dock.new_button)
    click(qtbot, dock.classes.add_button)
    dock.classes.table.item(1, 0).setText("vessel")
    dock.case.labels.data_setitem((np.array([2]), np.array([5]), np.array([5])), 2)
    click(qtbot, dock.classes.remove_button)
    assert "painted with this class" in dock.message.text()
    dock.case.labels.undo()
    dock.case.set_locked(2, True)
    click(qtbot, dock.classes.remove_button)
    assert "locked" in dock.message.text()
    assert dock.case.examples.class_names[2] == "vessel"
    dock.case.set_locked(2, False)
    click(qtbot, dock.classes.remove_button)
    assert len(dock.case.examples.class_names) == 2


def test_examples_are_saved_and_loaded_for_the_next_patient(
    dock: SegmentByExample, qtbot: QtBot, tmp_path: Path
) -> None:
    dock.classes.table.item(0, 0).setText("ball")
    add_example(dock, qtbot)
    folder = tmp_path / "examples"
    dock.jobs.ask_where_to_save = lambda: str(folder)
    press_and_wait(qtbot, dock.jobs.save)
    assert SupportSet.load(folder).class_names == ("background", "ball")
    click(qtbot, dock.strip.cards[0].remove)
    dock.jobs.ask_what_to_load = lambda: str(folder)
    press_and_wait(qtbot, dock.jobs.load)
    assert len(dock.strip.cards) == 1
    dock.viewer.layers.remove(dock.case.labels)
    press_and_wait(qtbot, dock.jobs.plane)
    click(qtbot, dock.panel.accept_button)
    assert dice(dock.case.labels.data[4], volume()[1][4]) > 0.9


def test_a_folder_without_examples_is_told_in_a_sentence(
    dock: SegmentByExample, qtbot: QtBot, tmp_path: Path
) -> None:
    dock.jobs.ask_what_to_load = lambda: str(tmp_path)
    press_and_wait(qtbot, dock.jobs.load)
    assert dock.message.kind == "problem"
    assert len(dock.case.examples) == 0
    dock.jobs.ask_what_to_load = lambda: ""
    click(qtbot, dock.jobs.load)
    assert not dock.jobs.load.is_running


def test_check_writes_leave_one_out_dice_under_the_pictures(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot, 3)
    assert not dock.jobs.check.isEnabled()
    add_example(dock, qtbot, 5)
    press_and_wait(qtbot, dock.jobs.check)
    assert all(card.entry.score > 0.8 for card in dock.strip.cards)
    assert all("Dice" in card.score.text() for card in dock.strip.cards)


def test_a_click_on_a_picture_goes_to_its_plane(dock: SegmentByExample, qtbot: QtBot) -> None:
    add_example(dock, qtbot, 6)
    go_to(dock, 0)
    qtbot.mouseClick(dock.strip.cards[0], Qt.MouseButton.LeftButton)
    assert dock.viewer.dims.current_step[0] == 6


def test_the_volume_turned_in_the_viewer_is_worked_on_as_seen(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    dock.viewer.dims.order = (2, 0, 1)
    dock.viewer.dims.set_current_step(2, 36)
    click(qtbot, dock.new_button)
    truth = volume()[1]
    paint(dock, truth[:, :, 36])
    press_and_wait(qtbot, dock.jobs.add)
    dock.viewer.dims.set_current_step(2, 40)
    press_and_wait(qtbot, dock.jobs.plane)
    click(qtbot, dock.panel.accept_button)
    assert dice(dock.case.labels.data[:, :, 40], truth[:, :, 40]) > 0.8
    assert not dock.case.labels.data[:, :, 41].any()


def test_a_proposal_along_another_axis_takes_the_place_of_the_one_before(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot, 3)
    go_to(dock, 4)
    press_and_wait(qtbot, dock.jobs.plane)
    dock.viewer.dims.order = (2, 0, 1)
    dock.viewer.dims.set_current_step(2, 36)
    press_and_wait(qtbot, dock.jobs.plane)
    shown = dock.viewer.layers["proposal"].data
    assert set(np.nonzero(shown.any(axis=(0, 1)))[0]) <= {36}


def test_photo_time_series_lazy_and_multiscale_images(dock: SegmentByExample, qtbot: QtBot) -> None:
    import dask.array

    image, truth = volume()
    grey = (image[4] // 6).astype(np.uint8)
    viewer = dock.viewer
    kinds = {
        "photo": viewer.add_image(np.stack([grey] * 3, axis=-1), rgb=True),
        "series": viewer.add_image(np.stack([image[3:6]] * 2)),
        "lazy": viewer.add_image(dask.array.from_array(image[3:6], chunks=(1, 96, 80))),
        "multiscale": viewer.add_image([image[3:6], image[3:6, ::2, ::2]], multiscale=True),
    }
    for kind, layer in kinds.items():
        dock.case.set_image(layer)
        dock.case.set_labels(None)
        viewer.dims.set_current_step(viewer.dims.ndim - 3, 1)
        click(qtbot, dock.new_button)
        paint(dock, truth[4])
        press_and_wait(qtbot, dock.jobs.add)
        press_and_wait(qtbot, dock.jobs.plane)
        stack = dock.bench.stack()
        found = dock.case.proposal.labels(stack.position)
        assert dice(found, truth[4]) > 0.9, kind
        click(qtbot, dock.panel.accept_button)
        assert dice(dock.case.labels.data[stack.index(stack.position)], truth[4]) > 0.9, kind
        for index in reversed(range(len(dock.strip.cards))):
            dock.strip.removed.emit(index)


def test_labels_that_cannot_be_edited_are_refused_in_a_sentence(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    import dask.array

    add_example(dock, qtbot)
    lazy = dock.viewer.add_labels(dask.array.zeros((PLANES, 96, 80), dtype=np.uint8), name="lazy")
    dock.case.set_labels(lazy)
    predict(dock, qtbot, 3)
    assert not dock.panel.accept_button.isEnabled()
    assert "new labels layer" in dock.panel.accept_button.toolTip()
    click(qtbot, dock.panel.reject_button)
    small = dock.viewer.add_labels(np.zeros((5, 5), np.uint8), name="small")
    dock.case.set_labels(small)
    click(qtbot, dock.jobs.add)
    assert "another size" in dock.message.text()


def test_layers_deleted_renamed_or_edited_meanwhile_are_harmless(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    add_example(dock, qtbot)
    first = dock.case.labels
    with qtbot.waitSignal(dock.jobs.volume.ended, timeout=20_000):
        click(qtbot, dock.jobs.volume)
        first.name = "renamed"
        first.data[4] = 0
        dock.viewer.layers.remove(first)
    assert dock.case.labels is None
    click(qtbot, dock.panel.accept_button)
    assert dock.case.labels is not first
    with qtbot.waitSignal(dock.jobs.volume.ended, timeout=20_000):
        click(qtbot, dock.jobs.volume)
        dock.viewer.layers.remove(dock.case.image)
    assert dock.case.proposal is None
    assert not dock.jobs.plane.isEnabled()


def test_deleting_the_proposal_layer_is_a_reject(dock: SegmentByExample, qtbot: QtBot) -> None:
    add_example(dock, qtbot)
    predict(dock, qtbot, 3)
    dock.viewer.layers.remove(dock.view.layer)
    assert dock.case.proposal is None
    assert not dock.panel.isVisible()


def test_closing_the_dock_leaves_nothing_behind(dock: SegmentByExample, qtbot: QtBot) -> None:
    add_example(dock, qtbot)
    predict(dock, qtbot, 3)
    viewer, keys = dock.viewer, set(map(str, dock.viewer.keymap))
    assert "Ctrl+Enter" in keys
    viewer.window.remove_dock_widget(dock)
    qtbot.waitUntil(lambda: len(viewer.layers) == 2)
    assert "Ctrl+Enter" not in set(map(str, viewer.keymap))
    viewer.dims.set_current_step(0, 1)
    viewer.layers.pop()


def test_keys_collide_with_none_of_naparis_and_can_be_turned_off(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    from napari.utils.shortcuts import default_shortcuts

    taken = {str(key) for keys in default_shortcuts.values() for key in keys}
    ours = set(map(str, dock.viewer.keymap))
    assert {"Ctrl+Shift+E", "Ctrl+Enter", "Ctrl+Shift+Enter"} <= ours
    assert not {"Ctrl+Shift+E", "Ctrl+Enter", "Ctrl+Shift+Enter"} & taken
    assert "Ctrl" in dock.jobs.plane.text()
    dock.details.shortcuts.setChecked(False)
    assert not {"Ctrl+Shift+E", "Ctrl+Enter", "Ctrl+Shift+Enter"} & set(
        map(str, dock.viewer.keymap)
    )
    assert "Ctrl" not in dock.jobs.plane.text()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_it_fits_a_small_screen_and_a_big_font(
    make_napari_viewer_proxy, qtbot: QtBot, handmade_model: str, theme: str
) -> None:
    viewer = make_napari_viewer_proxy(show=True)
    viewer.theme = theme
    viewer.add_image(volume()[0], name="ball")
    dock = open_dock(viewer, qtbot, handmade_model)
    font = dock.font()
    font.setPointSizeF(font.pointSizeF() * 1.25)
    dock.setFont(font)
    add_example(dock, qtbot)
    predict(dock, qtbot, 3)
    viewer.window.resize(1280, 720)
    qtbot.wait(50)
    for widget in (dock.jobs.volume, dock.new_button, dock.panel.reject_button, dock.classes):
        right = widget.mapTo(dock, QPoint(widget.width(), 0)).x()
        assert widget.isVisible()
        assert right <= dock.width()
    bottom = dock.message.mapTo(dock, QPoint(0, dock.message.height())).y()
    assert bottom <= dock.height() <= 720
