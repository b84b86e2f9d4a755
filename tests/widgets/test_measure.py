"""The dock Measure and compare, pressed and clicked in a real window."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication

from napari_medseg.engine.measure.compare import compare
from napari_medseg.engine.measure.regions import measure
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.tables import heading, shown
from napari_medseg.session.journal.store import FOLDER_VARIABLE
from napari_medseg.session.layers.layer_kinds import derived
from napari_medseg.widgets.measure import MeasureAndCompare
from napari_medseg.widgets.parts.jobs.gate import JobGate
from napari_medseg.widgets.parts.measure.measure_tab import MeasureTab

from .by_example import click, press_and_wait

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui

SPACING = (4.0, 0.5, 0.5)
PLACE = {"scale": SPACING, "units": ("mm",) * 3}


def truth() -> np.ndarray:
    labels = np.zeros((6, 40, 50), np.uint8)
    labels[1:4, 5:15, 5:25] = 1
    labels[4, 25:35, 30:45] = 2
    return labels


@pytest.fixture
def layer(viewer: Viewer) -> Labels:
    viewer.add_image(100.0 * truth(), name="scan", **PLACE)
    notes = {"medseg": {"class_names": ["background", "kidney", "tumour"]}}
    viewer.add_labels(truth(), name="truth", metadata=notes, **PLACE)
    return getattr(viewer, "__wrapped__", viewer).layers["truth"]


@pytest.fixture
def dock(viewer: Viewer, layer: Labels) -> MeasureAndCompare:
    dock = MeasureAndCompare(viewer)
    viewer.window.add_dock_widget(dock, name="Measure and compare", area="right")
    return dock


def test_the_table_is_what_the_python_call_gives(dock: MeasureAndCompare, qtbot: QtBot) -> None:
    press_and_wait(qtbot, dock.measure.run)
    names = ("background", "kidney", "tumour")
    expected = measure(truth(), SPACING, 100.0 * truth(), names)
    pd.testing.assert_frame_equal(dock.measure.table.table, expected)
    assert dock.measure.measured.table["volume_ml"].tolist() == [0.6, 0.15]
    model = dock.measure.table.model()
    row = [model.index(0, column).data() for column in range(3)]
    assert row == ["1", "kidney", "0.6"]


def test_it_says_that_the_labels_changed_also_by_undo_and_redo(
    dock: MeasureAndCompare, layer: Labels, viewer: Viewer, qtbot: QtBot
) -> None:
    layer.paint((2, 30, 10), 2)
    press_and_wait(qtbot, dock.measure.run)
    viewer.dims.set_current_step(0, 4)
    layer.refresh()
    assert "have changed" not in dock.measure.message.text()
    layer.undo()
    assert "The labels have changed since" in dock.measure.message.text()
    press_and_wait(qtbot, dock.measure.run)
    assert "have changed" not in dock.measure.message.text()
    layer.redo()
    assert "The labels have changed since" in dock.measure.message.text()
    dock.measure.message.hint("Saved.")
    viewer.dims.set_current_step(0, 2)
    assert dock.measure.message.text() == "Saved.", "turning the pages changes nothing"


def test_objects_get_numbers_and_rows_of_their_own(
    dock: MeasureAndCompare, layer: Labels, viewer: Viewer, qtbot: QtBot
) -> None:
    with qtbot.waitSignal(dock.measure.run.ended, timeout=60_000):
        click(qtbot, dock.measure.objects.button)
    objects = dock.measure.chosen
    assert objects.name == "truth, objects"
    assert not layer.visible
    np.testing.assert_array_equal(objects.data > 0, truth() > 0)
    np.testing.assert_array_equal(objects.scale, SPACING)
    assert dock.measure.table.table["label"].tolist() == [1, 2]
    assert "2 objects, lengths in mm." in dock.measure.message.text()


def test_an_image_of_another_place_is_not_chosen_and_objects_stay_in_theirs(
    viewer: Viewer, qtbot: QtBot
) -> None:
    far = np.eye(4)
    far[:3, 3] = 500

    def notes(affine: np.ndarray) -> dict[str, object]:
        return {"medseg": {"geometry": Geometry.from_affine(affine).as_dict()}}

    viewer.add_image(np.ones((6, 40, 50)), name="own", metadata=notes(np.eye(4)))
    viewer.add_image(np.ones((6, 40, 50)), name="other", metadata=notes(far))
    viewer.add_labels(truth(), name="mine", metadata=notes(np.eye(4)))
    dock = MeasureAndCompare(viewer)
    viewer.window.add_dock_widget(dock, name="Measure and compare", area="right")
    tab = dock.measure
    assert tab.image.name == "own"
    with qtbot.waitSignal(tab.run.ended, timeout=60_000):
        click(qtbot, tab.objects.button)
    assert tab.chosen.metadata == {**derived(), **notes(np.eye(4))}
    tab._choose_image(dock.viewer.layers["other"])
    with qtbot.waitSignal(tab.run.failed):
        click(qtbot, tab.run)
    assert "choose the image" in tab.message.text()


def test_names_that_contradict_the_numbers_are_told(
    dock: MeasureAndCompare, viewer: Viewer, qtbot: QtBot
) -> None:
    notes = {"medseg": {"class_names": ["background", "tumour", "vessel"]}}
    viewer.add_labels(truth(), name="mine", metadata=notes, **PLACE)
    tab = dock.compare
    tab._choose(prediction=dock.viewer.layers["mine"], reference=dock.viewer.layers["truth"])
    press_and_wait(qtbot, tab.run)
    assert "compared by number" in tab.message.text()
    assert tab.message.kind == "problem"


def test_empty_labels_are_told_and_no_layer_of_objects_is_made(
    viewer: Viewer, qtbot: QtBot
) -> None:
    dock = MeasureAndCompare(viewer)
    viewer.window.add_dock_widget(dock, name="Measure and compare", area="right")
    assert "paint some" in dock.measure.message.text()
    assert "Two labels layers" in dock.compare.message.text()
    viewer.add_labels(np.zeros((20, 30), np.uint8), name="forgotten")
    assert "Press Measure" in dock.measure.message.text()
    press_and_wait(qtbot, dock.measure.run)
    assert "“forgotten” is empty" in dock.measure.message.text()
    dock.measure.objects.button.click()
    assert "“forgotten” is empty" in dock.measure.message.text()
    assert dock.measure.message.kind == "problem"
    assert [layer.name for layer in viewer.layers] == ["forgotten"]


def test_objects_that_touch_stay_together_where_wanted_and_have_a_size(
    viewer: Viewer, qtbot: QtBot
) -> None:
    rows, columns = np.mgrid[:60, :100]
    pair = ((rows - 30) ** 2 + (columns - 35) ** 2 < 18**2) | (
        (rows - 30) ** 2 + (columns - 65) ** 2 < 18**2
    )
    viewer.add_labels(pair.astype(np.uint8), name="nuclei")
    tab = MeasureTab(viewer.__wrapped__, JobGate())
    qtbot.addWidget(tab)
    counts = []
    for part, diameter in ((True, 0.0), (True, 500.0), (False, 0.0)):
        tab._choose(viewer.__wrapped__.layers["nuclei"])
        tab.objects.part.setChecked(part)
        tab.objects.size.setValue(diameter)
        with qtbot.waitSignal(tab.run.ended, timeout=60_000):
            click(qtbot, tab.objects.button)
        counts.append(len(tab.table.table))
    assert counts == [2, 1, 1]
    assert tab.objects.size.text().endswith("px") or not tab.objects.size.isEnabled()
    tab.close_links()


def test_the_table_says_whose_it_is_when_other_labels_are_chosen(
    dock: MeasureAndCompare, viewer: Viewer, qtbot: QtBot
) -> None:
    press_and_wait(qtbot, dock.measure.run)
    viewer.add_labels(truth(), name="other", **PLACE)
    dock.measure.labels.picked.emit(dock.viewer.layers["other"])
    assert "The table is of “truth”" in dock.measure.message.text()
    assert not dock.measure.message.isHidden()
    dock.tabs.setCurrentWidget(dock.compare)
    assert dock.measure.message.isHidden(), "each tab says its own"


def test_a_row_leads_to_its_place_and_selects_its_label(
    dock: MeasureAndCompare, layer: Labels, qtbot: QtBot
) -> None:
    press_and_wait(qtbot, dock.measure.run)
    dock.measure.go_to(1)
    assert dock.viewer.dims.current_step[0] == 4
    assert layer.selected_label == 2
    assert dock.viewer.layers.selection.active is layer
    dock.viewer.scene.camera.zoom = 100
    dock.measure.go_to(0)
    np.testing.assert_allclose(dock.viewer.scene.camera.center[-2:], (9.5 / 2, 14.5 / 2))


def test_the_label_selected_in_the_canvas_selects_the_row(
    dock: MeasureAndCompare, layer: Labels, qtbot: QtBot
) -> None:
    press_and_wait(qtbot, dock.measure.run)
    layer.selected_label = 2
    assert dock.measure.table.currentIndex().row() == 1
    layer.selected_label = 1
    assert dock.measure.table.currentIndex().row() == 0


def test_each_plane_has_rows_of_its_own(
    dock: MeasureAndCompare, layer: Labels, qtbot: QtBot
) -> None:
    dock.measure.scope.setCurrentIndex(1)
    press_and_wait(qtbot, dock.measure.run)
    table = dock.measure.table.table
    assert table["plane"].tolist() == [1, 2, 3, 4]
    assert table["label"].tolist() == [1, 1, 1, 2]
    assert table["area_mm2"].tolist() == [50.0, 50.0, 50.0, 37.5]
    layer.selected_label = 1
    dock.viewer.dims.set_current_step(0, 3)
    assert dock.measure.table.currentIndex().row() == 2
    dock.measure.go_to(3)
    assert dock.viewer.dims.current_step[0] == 4


def test_the_table_is_saved_and_copied_with_all_its_digits(
    dock: MeasureAndCompare, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = dock.measure
    assert not tab.actions.save.isEnabled()
    assert "no table" in tab.actions.save.toolTip()
    press_and_wait(qtbot, tab.run)
    monkeypatch.setattr(tab.actions, "ask_where_to_save", lambda: str(tmp_path / "sizes"))
    press_and_wait(qtbot, tab.actions.save)
    saved = pd.read_csv(tmp_path / "sizes.csv", encoding="utf-8-sig")
    pd.testing.assert_frame_equal(saved, tab.table.table)
    click(qtbot, tab.actions.copy_button)
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:3] == ["label", "name", "pixels"]
    assert len(lines) == 3


def test_sorting_a_column_keeps_rows_and_places_together(
    dock: MeasureAndCompare, layer: Labels, qtbot: QtBot
) -> None:
    press_and_wait(qtbot, dock.measure.run)
    table = dock.measure.table
    volume = 2
    table.sortByColumn(volume, Qt.SortOrder.AscendingOrder)
    assert table.model().index(0, 1).data() == "tumour"
    table.clicked.emit(table.model().index(0, 1))
    assert layer.selected_label == 2


def test_the_colours_of_the_comparison_follow_the_canvas(
    dock: MeasureAndCompare, viewer: Viewer, layer: Labels, qtbot: QtBot
) -> None:
    viewer.add_labels(1 - np.minimum(truth(), 1), name="mine", **PLACE)
    tab = dock.compare
    tab._choose(prediction=dock.viewer.layers["mine"], reference=dock.viewer.layers["truth"])
    press_and_wait(qtbot, tab.run)
    assert "#d55e00" in tab.legend.text()
    other = DirectLabelColormap(
        color_dict={None: "transparent", 0: "transparent", 1: "#102030", 2: "#405060", 3: "red"}
    )
    tab.picture.colormap = other
    assert "#102030" in tab.legend.text()
    layer.colormap = other
    model = tab.table.model()

    def shown() -> str:
        return model.data(model.index(0, 0), Qt.ItemDataRole.DecorationRole).name()

    assert shown() != "#102030", "the prediction lies on top and has kept its colours"
    dock.viewer.layers["mine"].visible = False
    assert shown() == "#102030"


def test_labels_named_as_the_right_answer_are_the_reference(
    dock: MeasureAndCompare, viewer: Viewer, layer: Labels
) -> None:
    tab = dock.compare
    assert (tab.prediction, tab.reference) == (None, layer), "the fixture's layer is named truth"
    mine = viewer.add_labels(truth(), name="mine", **PLACE)
    viewer.add_labels(truth(), name="mine, again", **PLACE)
    assert (tab.prediction, tab.reference) == (mine, layer)
    viewer.layers.remove(layer)
    assert tab.prediction == mine
    assert tab.reference.name == "mine, again", "without a named one it is the other one"


def test_comparing_gives_the_scores_and_a_picture(
    dock: MeasureAndCompare, viewer: Viewer, qtbot: QtBot
) -> None:
    wrong = truth()
    wrong[1, 5:15, 5:25] = 0
    wrong[0, 0, 0] = 1
    wrong[4, 25, 30] = 1
    viewer.add_labels(wrong, name="mine", **PLACE)
    tab = dock.compare
    tab._choose(prediction=dock.viewer.layers["mine"], reference=dock.viewer.layers["truth"])
    dock.tabs.setCurrentWidget(tab)
    press_and_wait(qtbot, tab.run)
    names = ("background", "kidney", "tumour")
    pd.testing.assert_frame_equal(tab.table.table, compare(wrong, truth(), SPACING, names))
    picture = tab.picture
    assert picture in dock.viewer.layers
    assert picture.data[0, 0, 0] == 1
    assert (picture.data[1, 5:15, 5:25] == 2).all()
    assert picture.data[4, 25, 30] == 3
    assert np.count_nonzero(picture.data) == 202
    np.testing.assert_array_equal(picture.scale, SPACING)
    tab.with_picture.setChecked(False)
    assert not picture.visible
    assert "Dice" in dock.message.text()
    mine = dock.viewer.layers["mine"]
    mine.paint((2, 8, 8), 2)
    assert "The labels have changed since: press Compare again." in tab.message.text()
    press_and_wait(qtbot, tab.run)
    assert "changed" not in tab.message.text()
    mine.undo()
    assert "changed since" in tab.message.text()
    press_and_wait(qtbot, tab.run)
    other = dock.viewer.add_labels(wrong, name="other", **PLACE)
    tab._choose(prediction=other)
    assert "The table is of “mine” against “truth”" in tab.message.text()


def test_what_is_painted_is_kept_whichever_dock_is_open(
    viewer: Viewer, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "unsaved"))
    viewer.window.add_dock_widget(MeasureAndCompare(viewer), name="Measure", area="right")
    layer = viewer.add_labels(np.zeros((40, 50), np.uint8), name="mine")
    layer.paint((20, 20), 1)
    qtbot.waitUntil(lambda: any((tmp_path / "unsaved").rglob("*.journal")), timeout=10_000)


def test_what_cannot_be_done_says_why(viewer: Viewer, qtbot: QtBot) -> None:
    dock = MeasureAndCompare(viewer)
    viewer.window.add_dock_widget(dock, name="Measure and compare", area="right")
    assert not dock.measure.run.isEnabled()
    assert "no labels" in dock.measure.run.toolTip()
    viewer.add_labels(np.ones((20, 20), np.uint8), name="small")
    assert dock.measure.run.isEnabled()
    assert "Two labels layers" in dock.compare.run.toolTip()
    viewer.add_labels(np.ones((30, 20), np.uint8), name="large")
    with qtbot.waitSignal(dock.compare.run.failed):
        click(qtbot, dock.compare.run)
    assert "different sizes" in dock.compare.message.text()
    press_and_wait(qtbot, dock.measure.run)
    assert "pixels" in dock.measure.message.text()
    viewer.layers.clear()
    assert not dock.measure.run.isEnabled()
    viewer.window.remove_dock_widget(dock)
    viewer.add_labels(np.ones((5, 5), np.uint8))


def test_new_paint_makes_the_table_old(
    dock: MeasureAndCompare, layer: Labels, qtbot: QtBot
) -> None:
    press_and_wait(qtbot, dock.measure.run)
    layer.data_setitem((np.array([0]), np.array([0]), np.array([0])), np.array([1]))
    assert "Measure again" in dock.message.text()


def test_headings_and_numbers_are_for_people() -> None:
    assert heading("volume_ml") == "volume (ml)"
    assert heading("surface_um2") == "surface (µm²)"
    assert heading("hd95") == "HD95"
    assert heading("hd95", "um") == "HD95 (µm)"
    assert [shown(v) for v in (1234, 0.12345678, float("nan"), "lung")] == [
        "1,234",
        "0.1235",
        "–",
        "lung",
    ]
