"""The dock Segment with a model, pressed in a real window; its answers are those of the command."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import dask.array as da
import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from napari_medseg.cli import app
from napari_medseg.engine.measure.objects import split_objects
from napari_medseg.engine.postprocess import PostProcess
from napari_medseg.engine.results import Progress
from napari_medseg.engine.with_model.job import segment
from napari_medseg.engine.with_model.net_runner import NetRunner
from napari_medseg.io.labels import read_labels
from napari_medseg.session.history.accepted import accepted
from napari_medseg.session.layers.subject import spacing_of
from napari_medseg.session.with_model.card_fit import ranked
from napari_medseg.widgets.parts.with_model.cards import ModelCards
from napari_medseg.zoo import architectures

from .by_example import click, press_and_wait, volume
from .with_model import install_bright, install_colour, install_two, open_model_dock

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from pytestqt.qtbot import QtBot

    from napari_medseg.widgets.segment_with_model import SegmentWithModel

pytestmark = pytest.mark.gui
TILES_PER_PLANE = 4 * 3


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setitem(architectures.NETS, "BrightNet", "tests.engine.pretrained")
    install_bright(tmp_path / "models")
    install_two(tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def dock(viewer: Viewer) -> SegmentWithModel:
    image, _ = volume()
    viewer.add_image(image, name="ball", scale=(4, 1, 1), units=("mm",) * 3)
    return open_model_dock(viewer)


def test_cards_of_one_title_are_told_apart(models: Path, qtbot: QtBot) -> None:
    cards = ModelCards()
    qtbot.addWidget(cards)
    first = install_bright(models)
    twins = [first, replace(first, name="bright-2"), replace(first, name="x", title="Another")]
    cards.show_models(ranked(twins, None))
    titles = [view.title for view in cards.views]
    assert titles == [f"{first.title} (bright)", f"{first.title} (bright-2)", "Another"]


def settle(dock: SegmentWithModel, qtbot: QtBot) -> None:
    """Wait until the proposal is cleaned up as asked for."""
    cleaner = dock.answers.cleaner
    qtbot.waitUntil(
        lambda: not cleaner.is_behind and not cleaner.button.is_running,
        timeout=30_000,
    )


def accept(dock: SegmentWithModel, qtbot: QtBot) -> None:
    """Accept, and wait until everything is written."""
    click(qtbot, dock.answers.panel.accept_button)
    qtbot.waitUntil(lambda: not dock.writing.is_running, timeout=30_000)


def command(work: Path, array: np.ndarray, *options: object) -> np.ndarray:
    """Segment an array with the command line and give the labels it writes."""
    source = work / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(array.T, np.eye(4)), source)
    arguments = ["segment", source, "-o", work / "out", "--json", *options]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return read_labels(Path(json.loads(done.stdout)["results"][0]["output"])).labels


def test_the_volume_accepted_is_what_the_command_writes(
    dock: SegmentWithModel, qtbot: QtBot, tmp_path: Path
) -> None:
    dock.cards.choose("bright")
    press_and_wait(qtbot, dock.jobs.volume)
    assert dock.case.labels is None, "nothing is the user's before she accepts"
    assert dock.answers.view.layer.contour > 0
    accept(dock, qtbot)
    labels, image = dock.case.labels, dock.case.image
    expected = command(tmp_path, image.data, "-m", "bright")
    np.testing.assert_array_equal(labels.data, expected)
    assert labels.data.dtype == expected.dtype
    assert expected.any()
    assert labels.units == image.units
    assert labels.metadata["medseg"]["class_names"] == ["background", "bright"]
    entry = accepted(labels)[0]
    assert (entry["method"], entry["model"]) == ("segment", "bright")
    assert entry["accepted_with"]["threshold"] == 0.5
    labels.undo()
    assert not labels.data.any()


@pytest.mark.parametrize("model", ["bright", "two"])
def test_threshold_and_cleaning_up_change_at_once_and_as_in_the_command(
    dock: SegmentWithModel, qtbot: QtBot, tmp_path: Path, model: str
) -> None:
    image = dock.case.image.data
    image[2, 40:60, 30:45] = 700
    image[:, 20, 10] = 1300
    dock.cards.choose(model)
    press_and_wait(qtbot, dock.jobs.volume)
    dock.jobs.volume.setEnabled(False)
    for threshold in (None, 0.3):
        if threshold is not None:
            dock.answers.panel.slider.setValue(30)
        for settings in ((), ("--largest",), ("--fill-holes", "--min-size", 30)):
            dock.answers.live.largest.setChecked("--largest" in settings)
            dock.answers.live.fill_holes.setChecked("--fill-holes" in settings)
            dock.answers.live.min_size.setValue(30 if "--min-size" in settings else 0)
            settle(dock, qtbot)
            asked = ("-m", model, *settings)
            asked += () if threshold is None else ("--threshold", threshold)
            expected = command(tmp_path, image, *asked)
            proposal = dock.case.proposal
            found = np.stack([proposal.labels(position) for position in range(len(image))])
            np.testing.assert_array_equal(found, expected, err_msg=str(asked))
            shown = dock.viewer.dims.current_step[0]
            np.testing.assert_array_equal(dock.answers.view.layer.data[shown], expected[shown])


def test_this_plane_is_cleaned_up_as_a_plane(dock: SegmentWithModel, qtbot: QtBot) -> None:
    dock.cards.choose("bright")
    data = dock.case.image.data
    data[3, 48, 36] = 300
    dock.viewer.dims.set_current_step(0, 3)
    dock.answers.live.fill_holes.setChecked(True)
    press_and_wait(qtbot, dock.jobs.plane)
    settle(dock, qtbot)
    expected = segment(data, "bright", planes=[3], post=PostProcess(fill_holes=True)).labels[3]
    np.testing.assert_array_equal(dock.case.proposal.labels(3), expected)
    assert expected[48, 36] == 1
    assert dock.case.proposal.positions == [3]
    press_and_wait(qtbot, dock.jobs.plane)
    dock.viewer.dims.set_current_step(0, 5)
    press_and_wait(qtbot, dock.jobs.plane)
    assert dock.case.proposal.positions == [3, 5], "another plane joins the proposal"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_planes_are_taken_along_the_axis_that_is_chosen(
    dock: SegmentWithModel, qtbot: QtBot, tmp_path: Path, axis: int
) -> None:
    dock.cards.choose("two")
    dock.axes.along.setCurrentIndex(axis)
    dock.axes.along.activated.emit(axis)
    assert dock.bench.stack().axis == axis
    press_and_wait(qtbot, dock.jobs.volume)
    dock.answers.live.largest.setChecked(True)
    settle(dock, qtbot)
    accept(dock, qtbot)
    expected = command(tmp_path, dock.case.image.data, "-m", "two", "--axis", axis, "--largest")
    np.testing.assert_array_equal(dock.case.labels.data, expected)


def test_a_click_accepts_one_piece_and_leaves_the_rest(
    dock: SegmentWithModel, qtbot: QtBot
) -> None:
    dock.cards.choose("bright")
    dock.viewer.dims.set_current_step(0, 4)
    press_and_wait(qtbot, dock.jobs.plane)
    dock.answers.live.min_size.setValue(3)
    settle(dock, qtbot)
    dock.answers.view.clicked.emit(4, 14, 66)
    _, mask = volume()
    spot = mask[4].copy()
    spot[:, :58] = 0
    np.testing.assert_array_equal(dock.case.labels.data[4], spot)
    left = dock.case.proposal.labels(4)
    assert left[48, 36] == 1
    assert not left[14, 66]
    settle(dock, qtbot)
    click(qtbot, dock.answers.panel.reject_button)
    np.testing.assert_array_equal(dock.case.labels.data[4], spot)
    assert dock.answers.view.layer is None


def test_classes_keep_the_values_that_the_labels_know_them_by(
    dock: SegmentWithModel, qtbot: QtBot
) -> None:
    labels = dock.case.new_labels()
    dock.case.examples.rename_class(1, "dark")
    labels.data_setitem((np.array([0]), np.array([0]), np.array([0])), np.array([1]))
    dock.cards.choose("two")
    dock.viewer.dims.set_current_step(0, 4)
    press_and_wait(qtbot, dock.jobs.plane)
    accept(dock, qtbot)
    assert dock.case.examples.class_names == ("background", "dark", "bright")
    assert labels.data[4, 48, 36] == 2
    assert labels.data[4, 0, 0] == 1
    assert labels.metadata["medseg"]["class_names"] == ["background", "dark", "bright"]


def test_existing_labels_are_kept_unless_told(dock: SegmentWithModel, qtbot: QtBot) -> None:
    labels = dock.case.new_labels()
    labels.data_setitem((np.array([4]), np.array([48]), np.array([36])), np.array([7]))
    dock.cards.choose("bright")
    dock.viewer.dims.set_current_step(0, 4)
    for mode, kept in ((0, 7), (2, 2)):
        press_and_wait(qtbot, dock.jobs.plane)
        dock.answers.panel.mode.setCurrentIndex(mode)
        accept(dock, qtbot)
        assert labels.data[4, 48, 36] == kept


def test_cancel_keeps_what_is_done_as_a_proposal(
    dock: SegmentWithModel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled, asked = threading.Event(), []
    original = NetRunner.probabilities

    def one_plane_then_wait(runner: NetRunner, patches: np.ndarray) -> np.ndarray:
        asked.append(1)
        if len(asked) > TILES_PER_PLANE:
            cancelled.wait(30)
        return original(runner, patches)

    monkeypatch.setattr(NetRunner, "probabilities", one_plane_then_wait)
    dock.cards.choose("bright")
    dock.answers.live.largest.setChecked(True)
    dock.viewer.dims.set_current_step(0, 3)
    click(qtbot, dock.jobs.volume)
    qtbot.waitUntil(lambda: dock.case.proposal is not None, timeout=120_000)
    assert "wait, or cancel" in dock.answers.panel.accept_button.toolTip()
    with qtbot.waitSignal(dock.jobs.volume.ended, timeout=30_000):
        click(qtbot, dock.jobs.volume)
        cancelled.set()
    settle(dock, qtbot)
    assert dock.case.proposal.positions == [3]
    assert "Cancelled" in dock.message.text()
    accept(dock, qtbot)
    assert dock.case.labels.data[3].any()


def test_probability_layers_are_those_of_the_call(dock: SegmentWithModel, qtbot: QtBot) -> None:
    dock.cards.choose("two")
    dock.options.probabilities.setChecked(True)
    dock.axes.along.activated.emit(1)
    press_and_wait(qtbot, dock.jobs.volume)
    expected = segment(dock.case.image.data, "two", axis=1).probabilities
    for index, name in enumerate(("bright", "dark")):
        layer = dock.viewer.layers[f"probability of {name}"]
        np.testing.assert_array_equal(layer.data, expected[index])
        np.testing.assert_allclose(layer.data_to_world((1, 2, 3)), (4, 2, 3))
    assert dock.viewer.layers.selection.active is dock.answers.view.layer
    dock.viewer.dims.order = (0, 1, 2)
    dock.viewer.dims.set_current_step(0, 3)
    press_and_wait(qtbot, dock.jobs.plane)
    layer = dock.viewer.layers["probability of bright [1]"]
    assert layer.data.shape == (1, 96, 80)
    np.testing.assert_allclose(layer.data_to_world((0, 0, 0)), (12, 0, 0))


def test_a_click_along_another_axis_says_why_it_takes_nothing(
    dock: SegmentWithModel, qtbot: QtBot
) -> None:
    dock.cards.choose("bright")
    press_and_wait(qtbot, dock.jobs.plane)
    dock.viewer.dims.order = (1, 0, 2)
    dock.answers.view._on_click(SimpleNamespace(position=(3.0, 30.0, 30.0)))
    assert "of planes along another axis" in dock.message.text()
    assert dock.case.proposal is not None and dock.case.labels is None


def test_an_image_that_is_opened_is_the_one_that_is_segmented(
    dock: SegmentWithModel, qtbot: QtBot
) -> None:
    first = dock.case.image
    opened = dock.viewer.add_labels(np.zeros(first.data.shape, np.uint8), scale=first.scale)
    assert dock.case.labels is opened
    second = dock.viewer.add_image(np.array(first.data), name="second", scale=first.scale)
    assert dock.case.image is second
    assert dock.images.currentText() == "second"
    assert dock.case.labels is None, "labels that were used on the one are not those of the other"
    dock.cards.choose("bright")
    press_and_wait(qtbot, dock.jobs.plane)
    third = dock.viewer.add_image(np.array(first.data), name="third", scale=first.scale)
    assert dock.case.image is second and dock.case.proposal is not None
    assert "“third” was opened. The dock still works on “second”" in dock.message.text()
    accept(dock, qtbot)
    dock.viewer.layers.remove(third)
    hidden = dock.viewer.add_image(np.array(first.data), name="hidden", visible=False)
    assert dock.case.image is second and hidden in dock.images.choices


def test_a_piece_that_is_undone_is_proposed_again(dock: SegmentWithModel, qtbot: QtBot) -> None:
    dock.cards.choose("bright")
    dock.viewer.dims.set_current_step(0, 3)
    press_and_wait(qtbot, dock.jobs.plane)
    before = dock.case.proposal.labels(3)
    row, column = np.argwhere(before)[0]
    assert dock.case.accept_component(3, row, column)
    assert not dock.case.proposal.labels(3)[row, column]
    dock.case.labels.undo()
    qtbot.waitUntil(lambda: "proposed again" in dock.message.text())
    np.testing.assert_array_equal(dock.case.proposal.labels(3), before)
    np.testing.assert_array_equal(dock.answers.view.layer.data[3], before)
    dock.case.labels.redo()
    qtbot.waitUntil(lambda: "proposed again" not in dock.message.text())
    assert not dock.answers.view.layer.data[3][row, column]
    dock.case.labels.undo()
    accept(dock, qtbot)
    assert dock.case.proposal is None
    dock.case.labels.undo()
    qtbot.waitUntil(lambda: dock.case.proposal is not None)
    accept(dock, qtbot)
    np.testing.assert_array_equal(dock.case.labels.data[3], before)


def test_objects_are_numbered_in_a_layer_of_their_own(dock: SegmentWithModel, qtbot: QtBot) -> None:
    dock.cards.choose("bright")
    dock.options.objects.setChecked(True)
    press_and_wait(qtbot, dock.jobs.volume)
    found = segment(dock.case.image.data, "bright")
    objects = dock.viewer.layers["objects: bright"]
    expected = split_objects(found, spacing_of(dock.case.image)[0])
    np.testing.assert_array_equal(objects.data, expected)
    assert dock.message.text().startswith(f"{expected.max()} object")
    assert not any("probability" in layer.name for layer in dock.viewer.layers)
    assert dock.case.labels is not objects, "accepted labels are not written into a result"
    dock.viewer.dims.set_current_step(0, 3)
    press_and_wait(qtbot, dock.jobs.plane)
    plane = dock.viewer.layers["objects: bright [1]"]
    alone = replace(found, labels=found.labels[3], probabilities=found.probabilities[:, 3])
    np.testing.assert_array_equal(plane.data[0], split_objects(alone, spacing_of(plane)[0][1:]))
    np.testing.assert_allclose(plane.data_to_world((0, 0, 0)), objects.data_to_world((3, 0, 0)))


def test_every_button_that_is_off_says_why(dock: SegmentWithModel) -> None:
    dock.cards.choose("universeg-open")
    assert "needs examples" in dock.jobs.plane.toolTip()
    assert "comes with MedSeg" in dock.zoo.remove.toolTip()
    dock.cards.choose("universeg-v1")
    assert "examples" in dock.jobs.plane.toolTip()
    assert dock.zoo.download.isEnabled()
    assert "not on this computer" in dock.zoo.export.toolTip()
    dock.viewer.layers.clear()
    assert "Open an image" in dock.jobs.plane.toolTip()
    for button in (dock.jobs.plane, dock.jobs.volume, *dock.zoo.buttons, dock.zoo.page):
        assert button.isEnabled() or button.toolTip(), button.text()


def test_deleting_the_image_or_the_proposal_is_harmless(
    dock: SegmentWithModel, qtbot: QtBot
) -> None:
    dock.cards.choose("bright")
    press_and_wait(qtbot, dock.jobs.plane)
    dock.viewer.layers.remove(dock.answers.view.layer)
    assert dock.case.proposal is None
    press_and_wait(qtbot, dock.jobs.volume)
    dock.answers.live.largest.setChecked(True)
    dock.viewer.layers.remove(dock.case.image)
    qtbot.wait(200)
    assert len(dock.viewer.layers) == 0
    assert not dock.answers.panel.isVisible()


def test_closing_the_dock_leaves_nothing_behind(dock: SegmentWithModel, qtbot: QtBot) -> None:
    dock.cards.choose("bright")
    press_and_wait(qtbot, dock.jobs.plane)
    dock.viewer.window.remove_dock_widget(dock)
    assert [layer.name for layer in dock.viewer.layers] == ["ball"]
    dock.viewer.dims.set_current_step(0, 2)


def test_a_net_that_takes_its_time_is_cancelled_in_the_middle(
    dock: SegmentWithModel, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, left = threading.Event(), threading.Event()

    def slow(*_: object, stop: threading.Event, **__: object):
        yield Progress(0, 1)
        inside.set()
        left.wait(30)
        assert stop.is_set()

    monkeypatch.setattr("napari_medseg.engine.with_model.job.segment_job", slow)
    dock.cards.choose("bright")
    with qtbot.waitSignal(dock.jobs.plane.started):
        click(qtbot, dock.jobs.plane)
    qtbot.waitUntil(inside.is_set, timeout=120_000)
    with qtbot.waitSignal(dock.jobs.plane.ended, timeout=30_000):
        click(qtbot, dock.jobs.plane)
    assert not left.is_set(), "the step has not ended, and nobody waits for it"
    left.set()


@pytest.mark.parametrize("kind", ["plane", "colours", "dask", "multiscale", "time"])
def test_images_of_every_kind(viewer: Viewer, qtbot: QtBot, models: Path, kind: str) -> None:
    stack, _ = volume()
    bright, shown = "bright", {}
    if kind == "plane":
        data = expected = stack[4]
    elif kind == "colours":
        bright = install_colour(models).name
        data = expected = np.stack([stack, stack // 2, stack // 3], -1).astype(np.float32) / 1500
        shown = {"rgb": True}
    elif kind == "dask":
        expected, data = stack, da.from_array(stack, chunks=(1, -1, -1))
    elif kind == "multiscale":
        expected, data = stack, [stack, stack[:, ::2, ::2]]
        shown = {"multiscale": True}
    else:
        data, expected = np.stack([stack // 2, stack, stack[::-1]]), stack
    viewer.add_image(data, name="image", contrast_limits=(0, 1500), **shown)
    dock = open_model_dock(viewer)
    dock.cards.choose(bright)
    if kind == "time":
        viewer.dims.set_current_step(0, 1)
        assert dock.bench.stack().n_planes == len(stack)
    assert dock.jobs.volume.isEnabled() == (kind != "plane")
    press_and_wait(qtbot, dock.jobs.plane if kind == "plane" else dock.jobs.volume)
    accept(dock, qtbot)
    found = dock.case.labels.data
    if kind == "time":
        assert not found[[0, 2]].any()
        found = found[1]
    answer = segment(expected, bright, rgb=shown.get("rgb", False)).labels
    np.testing.assert_array_equal(found, answer)
    assert answer.any()


def test_a_channel_becomes_an_image_whose_labels_have_no_channels(
    viewer: Viewer, qtbot: QtBot
) -> None:
    stack, _ = volume()
    viewer.add_image(np.stack([stack // 3, stack]), name="stain")
    dock = open_model_dock(viewer)
    dock.cards.choose("bright")
    offered = [dock.axes.channel.itemText(i) for i in range(dock.axes.channel.count())]
    assert offered[2] == "1 of 2 on axis 0"
    dock.axes.channel.activated.emit(2)
    assert dock.case.image.name == "stain · channel 1"
    assert not viewer.layers["stain"].visible
    press_and_wait(qtbot, dock.jobs.volume)
    accept(dock, qtbot)
    np.testing.assert_array_equal(dock.case.labels.data, segment(stack, "bright").labels)


def test_planes_too_large_for_probabilities_are_segmented_and_shown_coarsely(
    viewer: Viewer, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("engine.canvas", "session.with_model.jobs"):
        monkeypatch.setattr(f"napari_medseg.{module}.PREVIEW_PIXELS", 1000)
    monkeypatch.setattr("napari_medseg.widgets.parts.proposals.view.MOST_SHOWN", 1000)
    plane = volume()[0][4]
    viewer.add_image(plane, name="slide", scale=(0.5, 0.5))
    dock = open_model_dock(viewer)
    dock.cards.choose("bright")
    press_and_wait(qtbot, dock.jobs.plane)
    answers, layer = dock.answers, dock.answers.view.layer
    assert layer.data.shape == (32, 27), "every third pixel"
    np.testing.assert_allclose(layer.data_to_world((16, 12)), (24.5, 18.5))
    assert layer.data[16, 12] == 1
    np.testing.assert_array_equal(dock.case.proposal.labels(0), segment(plane, "bright").labels)
    answers.panel.slider.setValue(90)
    assert "segment again" in dock.message.text()
    np.testing.assert_array_equal(dock.case.proposal.labels(0), segment(plane, "bright").labels)
    press_and_wait(qtbot, dock.jobs.plane)
    expected = segment(plane, "bright", threshold=0.9).labels
    accept(dock, qtbot)
    np.testing.assert_array_equal(dock.case.labels.data, expected)
    assert accepted(dock.case.labels)[0]["accepted_with"]["threshold"] == 0.9
