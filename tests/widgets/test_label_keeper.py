"""Labels that are never lost: locks, large writes, and what comes back after a crash."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array
import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtCore import Qt

from napari_medseg.engine.by_example.support import make_example
from napari_medseg.engine.results import Progress, finished
from napari_medseg.io.label_formats import FORMATS
from napari_medseg.session.edits import write_job
from napari_medseg.session.export.jobs import export_job, export_of
from napari_medseg.session.journal.recognise import image_hash, place_hash
from napari_medseg.session.journal.store import FOLDER_VARIABLE, JournalStore
from napari_medseg.session.journal.writer import Journal
from napari_medseg.session.layers.stack import Stack
from napari_medseg.session.settings import change_settings
from napari_medseg.widgets.parts.keeper.label_keeper import LabelKeeper

from .by_example import click, open_dock, press_and_wait, volume

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_medseg.widgets.segment_by_example import SegmentByExample

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def unsaved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty folder of journals."""
    folder = tmp_path / "unsaved"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder


def leave_behind(folder: Path, image: str = "", place: str = "") -> Labels:
    """Paint as a program that ended without saving."""
    layer = Labels(np.zeros(volume()[0].shape, np.uint8), scale=(4, 1, 1))
    journal = Journal(JournalStore(folder), lambda labels: (image, place))
    journal.watch(layer)
    layer.data_setitem(np.nonzero(volume()[1]), 1)
    journal.close()
    return layer


def keeper_of(dock: SegmentByExample) -> LabelKeeper:
    return LabelKeeper.of(dock.viewer)


def offer_in(dock: SegmentByExample, qtbot: QtBot):
    qtbot.waitUntil(lambda: keeper_of(dock).restore.bar is not None, timeout=60_000)
    return keeper_of(dock).restore.bar


def looked(dock: SegmentByExample, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not keeper_of(dock).restore._looking, timeout=60_000)


def test_unsaved_labels_are_offered_with_their_image_and_come_back(
    viewer: Viewer, qtbot: QtBot, unsaved: Path
) -> None:
    image = viewer.add_image(volume()[0], name="ball", scale=(4, 1, 1))
    lost = leave_behind(unsaved, image_hash(image))
    dock = open_dock(viewer, qtbot)
    bar = offer_in(dock, qtbot)
    assert "this image" in bar.words.text()
    assert f"{np.count_nonzero(lost.data):,} pixels" in bar.words.text()
    assert not bar.picture.pixmap().isNull()
    click(qtbot, bar.restore_button)
    back = dock.case.labels
    assert np.array_equal(back.data, lost.data)
    assert np.array_equal(back.scale, image.scale)
    assert keeper_of(dock).restore.bar is None
    # What came back is in a journal again before the old one is gone.
    qtbot.waitUntil(lambda: JournalStore(unsaved).unsaved() == [], timeout=60_000)
    keeper_of(dock).close()
    assert len(JournalStore(unsaved).unsaved()) == 1


def test_a_journal_stays_until_what_came_back_of_it_is_written_again(
    viewer: Viewer, qtbot: QtBot, unsaved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = viewer.add_image(volume()[0], name="ball", scale=(4, 1, 1))
    leave_behind(unsaved, image_hash(image))
    dock = open_dock(viewer, qtbot)
    bar = offer_in(dock, qtbot)
    monkeypatch.setattr(JournalStore, "new_path", lambda self: unsaved / "gone" / "x.journal")
    asked = []
    in_thread = keeper_of(dock).in_thread
    monkeypatch.setattr(
        keeper_of(dock), "in_thread", lambda work, then: in_thread(work, _noting(asked, then))
    )
    click(qtbot, bar.restore_button)
    qtbot.waitUntil(lambda: False in asked, timeout=60_000)
    assert len(JournalStore(unsaved).unsaved()) == 1


def _noting(asked: list, then):
    def both(result: object) -> None:
        then(result)
        asked.append(result)

    return both


def test_paint_on_an_image_that_cannot_be_read_is_kept(
    viewer: Viewer, qtbot: QtBot, unsaved: Path
) -> None:
    def fail(_: object) -> np.ndarray:
        raise RuntimeError("the file is gone")

    shape = volume()[0].shape
    data = dask.array.map_blocks(fail, dask.array.zeros(shape, np.uint8), dtype=np.uint8)
    layer = viewer.add_labels(np.zeros(shape, np.uint8))
    keeper = LabelKeeper.of(viewer)
    keeper._hashes.clear()
    image = Image(dask.array.zeros(shape, np.uint8), name="lost")
    image._data = data
    assert keeper.hash_of(image) == ""
    layer.data_setitem(np.nonzero(volume()[1]), 1)
    assert keeper.journal.flush()


def test_unsaved_labels_wait_for_their_image_and_can_be_put_off_or_deleted(
    viewer: Viewer, qtbot: QtBot, unsaved: Path
) -> None:
    image = viewer.add_image(volume()[0] + 1, name="another patient")
    dock = open_dock(viewer, qtbot)
    leave_behind(unsaved, image_hash(viewer.add_image(volume()[0])))
    viewer.layers.pop()
    keeper_of(dock).restore.look()
    looked(dock, qtbot)
    assert keeper_of(dock).restore.bar is None
    viewer.add_image(volume()[0], name="the right one")
    bar = offer_in(dock, qtbot)
    click(qtbot, bar.later_button)
    looked(dock, qtbot)
    assert keeper_of(dock).restore.bar is None
    assert len(JournalStore(unsaved).unsaved()) == 1
    leave_behind(unsaved, image_hash(image))
    keeper_of(dock).restore.look()
    click(qtbot, offer_in(dock, qtbot).discard_button)
    assert len(JournalStore(unsaved).unsaved()) == 1


def test_an_image_whose_place_is_known_is_opened(
    viewer: Viewer, qtbot: QtBot, unsaved: Path, tmp_path: Path, monkeypatch
) -> None:
    import tifffile

    file = tmp_path / "scan.ome.tif"
    tifffile.imwrite(file, volume()[0], metadata={"axes": "ZYX"})
    (opened,) = viewer.open(str(file), plugin="napari-medseg")
    lost = leave_behind(unsaved, image_hash(opened), place_hash(file))
    viewer.layers.clear()
    where = "napari_medseg.widgets.parts.keeper.restore._folders_opened"
    monkeypatch.setattr(where, lambda: [str(tmp_path)])
    dock = open_dock(viewer, qtbot)
    bar = offer_in(dock, qtbot)
    assert "scan.ome.tif" in bar.words.text()
    click(qtbot, bar.restore_button)
    qtbot.waitUntil(lambda: dock.case.labels is not None, timeout=60_000)
    assert np.array_equal(dock.case.labels.data, lost.data)


def test_examples_come_back_into_the_strip(
    dock: SegmentByExample, qtbot: QtBot, unsaved: Path
) -> None:
    examples = dock.case.examples
    examples.add(make_example(volume()[0][4], volume()[1][4], name="plane 4"))
    keeper = keeper_of(dock)
    keeper.close()
    content = examples.support().content_hash
    examples.remove(0)
    keeper._on_settings(change_settings())
    keeper.restore.look()
    bar = offer_in(dock, qtbot)
    assert "example" in bar.words.text()
    click(qtbot, bar.restore_button)
    assert examples.support().content_hash == content
    assert len(dock.strip.cards) == 1


def test_examples_of_a_dock_that_was_closed_come_back_into_the_next(
    dock: SegmentByExample, qtbot: QtBot, unsaved: Path
) -> None:
    examples = dock.case.examples
    examples.add(make_example(volume()[0][4], volume()[1][4], name="plane 4"))
    content = examples.support().content_hash
    viewer = dock.viewer
    viewer.window.remove_dock_widget(dock)
    dock.close()
    again = open_dock(viewer, qtbot)
    bar = offer_in(again, qtbot)
    assert "An example was not saved when the dock was closed" in bar.words.text()
    click(qtbot, bar.restore_button)
    assert again.case.examples.support().content_hash == content
    assert "Press Predict this plane" in again.message.text()
    qtbot.waitUntil(lambda: len(list(unsaved.rglob("*.journal"))) == 1, timeout=60_000)


@pytest.mark.parametrize("suffix", [".nii.gz", ".ome.tif", ".ome.zarr"])
def test_labels_of_a_file_are_shown_on_their_image_wherever_that_was_put(
    viewer: Viewer, qtbot: QtBot, tmp_path: Path, suffix: str
) -> None:
    turn = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    placed = {"scale": (3, 0.5, 0.5), "translate": (0, 5, 20), "units": ("um",) * 3}
    viewer.add_image(volume()[0], name="elsewhere", scale=(3, 0.5, 0.5), units=("um",) * 3)
    image = viewer.add_image(volume()[0], name="put", rotate=turn, **placed)
    dock = open_dock(viewer, qtbot)
    dock.case.set_image(image)
    labels = dock.case.new_labels()
    labels.data[volume()[1] > 0] = 1
    key = {".nii.gz": "nifti", ".ome.tif": "ome-tiff", ".ome.zarr": "ome-zarr"}[suffix]
    target = tmp_path / f"labels{suffix}"
    finished(export_job(export_of(labels, image), FORMATS[key], target))
    viewer.layers.remove(labels)
    (back,) = viewer.open(str(target), plugin="napari-medseg")
    for voxel in ((0, 0, 0), (2, 74, 69)):
        assert np.allclose(back.data_to_world(voxel), image.data_to_world(voxel))
    back.translate = (0, 0, 99)
    viewer.layers.remove(back)
    viewer.layers.append(back)
    assert np.array_equal(back.translate, (0, 0, 99)), "moved by a person, so left there"


def test_autosave_can_be_turned_off(dock: SegmentByExample, qtbot: QtBot, unsaved: Path) -> None:
    click(qtbot, dock.new_button)
    try:
        change_settings(autosave=False)
        assert keeper_of(dock).journal is None
        dock.case.labels.paint((4, 40, 40), 1)
        assert list(unsaved.rglob("*.journal")) == []
    finally:
        change_settings(autosave=True)
    dock.case.labels.paint((4, 50, 50), 1)
    keeper_of(dock).journal.flush()
    assert len(list(unsaved.rglob("*.journal"))) == 1


def test_a_locked_class_is_kept_from_the_brush_and_from_accept(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    table = dock.classes.table
    assert not table.item(0, 2).flags() & Qt.ItemFlag.ItemIsEnabled
    click(qtbot, dock.new_button)
    click(qtbot, dock.classes.add_button)
    labels = dock.case.labels
    labels.data_setitem(np.nonzero(volume()[1]), 1)
    table.item(0, 2).setCheckState(Qt.CheckState.Checked)
    assert dock.case.locks.classes == {1}
    with labels.block_history():
        labels.paint((4, 48, 12), 2)
        labels.paint((4, 48, 36), 2)
    qtbot.waitUntil(lambda: labels.data[4, 48, 36] != 2, timeout=10_000)
    assert np.array_equal(labels.data == 1, volume()[1] == 1)
    labels.undo()
    assert not (labels.data == 2).any()
    table.item(0, 2).setCheckState(Qt.CheckState.Unchecked)
    assert not dock.case.locks


def test_a_large_write_lets_the_window_answer_but_nothing_change(
    dock: SegmentByExample, qtbot: QtBot, monkeypatch
) -> None:
    monkeypatch.setattr("napari_medseg.session.edits.PIXELS_PER_STEP", 80)
    click(qtbot, dock.new_button)
    labels = dock.case.labels
    stack = Stack((1, 2), 0, (0, 0, 0), 8)
    results: list[int] = []
    proposed = {position: volume()[1][position] for position in range(8)}
    dock.writing.run(_writing(labels, stack, proposed), results.append, pytest.fail)
    assert dock.writing.is_running
    assert dock.progress.isVisibleTo(dock)
    dock.new_button.setFocus()
    qtbot.mouseClick(dock.new_button, Qt.MouseButton.LeftButton)
    qtbot.keyClick(dock, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert dock.case.labels is labels
    qtbot.waitUntil(lambda: not dock.writing.is_running, timeout=60_000)
    assert results == [np.count_nonzero(volume()[1])]
    assert np.array_equal(labels.data, volume()[1])
    labels.undo()
    assert not labels.data.any()
    dock.writing.run(_writing(labels, stack, proposed), results.append, results.append)
    click(qtbot, dock.progress.cancel_button)
    assert not dock.writing.is_running
    assert "as they were" in results[-1]
    assert not labels.data.any()


def _writing(*what: Any) -> Generator[Progress, None, int]:
    written = yield from write_job(*what)
    return written.voxels


def test_a_write_that_breaks_lets_the_window_go(dock: SegmentByExample) -> None:
    def breaking():
        for _ in range(100):
            yield Progress(0, 1)
        raise MemoryError

    told: list[str] = []
    dock.writing.run(breaking(), print, told.append)
    assert dock.writing.is_running
    while dock.writing.is_running:
        dock.writing._turn()
    assert "not enough memory" in told[0]
    assert not dock.progress.isVisible()


def test_labels_that_cannot_be_edited_are_copied_with_a_button(
    dock: SegmentByExample, qtbot: QtBot
) -> None:
    assert not dock.copy_offer.isVisibleTo(dock)
    lazy = Labels(dask.array.from_array(volume()[1]), name="lazy", scale=(4, 1, 1))
    dock.viewer.add_layer(lazy)
    dock.case.set_labels(lazy)
    assert dock.copy_offer.isVisibleTo(dock)
    assert "cannot be edited" in dock.copy_offer.words.text()
    press_and_wait(qtbot, dock.copy_offer.button)
    copy = dock.case.labels
    assert copy is not lazy
    assert np.array_equal(copy.data, volume()[1])
    assert np.array_equal(copy.scale, lazy.scale)
    assert not dock.copy_offer.isVisibleTo(dock)
