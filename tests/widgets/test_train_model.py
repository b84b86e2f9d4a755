"""The dock Train a model, in a real window, down to a model that the other docks can use."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from qtpy.QtGui import QDesktopServices, QGuiApplication

from medseg_training.run.events import EVENTS_FILE
from napari_medseg.session.training import runs
from napari_medseg.widgets.train_model import TrainModel
from napari_medseg.zoo.registry import get_card

from .by_example import click

pytestmark = pytest.mark.gui


def write_discs(folder: Path, count: int = 10, side: int = 32) -> Path:
    """Write bright discs on noise with their masks, each of another patient."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:side, :side]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        row, column = rng.integers(10, side - 10, 2)
        disc = np.hypot(rows - row, columns - column) < rng.uniform(5, 9)
        image = np.clip(60 + 110 * disc + rng.normal(0, 8, disc.shape), 0, 255)
        Image.fromarray(image.astype(np.uint8)).save(folder / "images" / f"p{number}.png")
        Image.fromarray(disc.astype(np.uint8)).save(folder / "masks" / f"p{number}.png")
    return folder


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    return write_discs(tmp_path / "Discs")


@pytest.fixture
def dock(viewer, qtbot, tmp_path, monkeypatch) -> TrainModel:
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path / "models"))
    dock = TrainModel(viewer, tmp_path / "runs")
    viewer.window.add_dock_widget(dock, name="Train a model", area="right")
    return dock


def make_small(dock: TrainModel, epochs: int) -> None:
    """Choose the plainest recipe and values with which a step takes no time."""
    names = [dock.plan.recipes.itemData(row).name for row in range(dock.plan.recipes.count())]
    dock.plan.recipes.setCurrentIndex(names.index("unet"))
    dock.plan.recipes.activated.emit(dock.plan.recipes.currentIndex())
    editors = dock.plan.form.editors
    editors["trainer.epochs"].widget.setValue(epochs)
    editors["trainer.batch_size"].widget.setValue(4)
    for key, text in {
        "data.size": "[32, 32]",
        "net.options": "{width = 4}",
        "optimiser.rate": "0.05",
    }.items():
        editors[key].widget.setText(text)
        editors[key].widget.editingFinished.emit()


def look(dock: TrainModel, qtbot, folder: Path) -> None:
    with qtbot.waitSignal(dock.source.look.ended, timeout=60_000):
        dock.source.point_to(folder)


def test_a_run_that_does_not_listen_can_be_killed_and_the_next_is_only_stopped(
    dock, qtbot, tmp_path
):
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    run = tmp_path / "runs" / "deaf"
    run.mkdir(parents=True)
    begun = {"event": "started", "pid": process.pid, "time": time.time(), "steps": 10}
    (run / EVENTS_FILE).write_text(json.dumps(begun) + "\n")
    view = dock.view
    view.show_run(run)
    assert view.phase == "running"
    view._patience.setInterval(0)
    click(qtbot, view.stop_button)
    qtbot.waitUntil(lambda: view.stop_button.text() == "Kill", timeout=10_000)
    view._poll()
    click(qtbot, view.stop_button)
    assert process.wait(timeout=20) != 0
    view._poll()
    assert view.phase == "lost"
    assert view.stop_button.text() == "Stop"
    assert not view.stop_button.isEnabled()
    assert "resume it" not in view.words.text(), "there is no checkpoint"
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.ckpt").touch()
    view.show_run(run)
    assert "it was killed); resume it" in view.words.text()


def test_a_run_that_has_just_begun_is_listed(dock, tmp_path):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"]) as process:
        run = tmp_path / "runs" / "new"
        (run / "checkpoints").mkdir(parents=True)
        (run / "checkpoints" / "last.ckpt").touch()
        dock.view.show_run(run, process)
        dock.view.list_runs()
        assert dock.view.phase == "new"
        assert dock.view.runs.currentText() == "new"
        assert not dock.view.resume_button.isEnabled()
        process.kill()


def test_a_folder_is_looked_into_before_anything_runs(dock, qtbot, discs):
    assert not dock.plan.start_button.isEnabled()
    assert dock.plan.start_button.toolTip() == "Choose the data first."
    look(dock, qtbot, discs)
    assert dock.source.summary.text().startswith("Discs: 10 cases of 10 patients, 1 class: ")
    assert "8 to train on, 2 to validate on." in dock.source.summary.text()
    assert dock.plan.start_button.isEnabled()


def test_a_folder_is_named_whole_since_the_training_runs_in_another(
    dock, qtbot, discs, monkeypatch
):
    monkeypatch.chdir(discs.parent)
    look(dock, qtbot, Path(discs.name))
    assert dock.plan.command.changes["data.root"] == str(discs)


def test_what_was_found_in_a_folder_is_not_trained_on_as_what_is_open(dock, qtbot, discs):
    look(dock, qtbot, discs)
    assert dock.plan.start_button.isEnabled(), dock.plan.start.toolTip()
    dock.source.open_choice.setChecked(True)
    assert not dock.source.summary.isVisible()
    assert not dock.plan.start_button.isEnabled()
    assert "Save what is open" in dock.plan.start_button.toolTip()
    dock.source.folder_choice.setChecked(True)
    assert dock.source.summary.text() and dock.plan.start_button.isEnabled()


def test_what_is_wrong_with_the_data_is_listed_and_stops_the_start(dock, qtbot, discs):
    Image.fromarray(np.zeros((20, 32), np.uint8)).save(discs / "masks" / "p3.png")
    look(dock, qtbot, discs)
    listed = [dock.source.problems.item(i).text() for i in range(dock.source.problems.count())]
    assert any(text.startswith("✗ p3: ") for text in listed), listed
    assert not dock.plan.start_button.isEnabled()
    assert "errors" in dock.plan.start_button.toolTip()


def test_a_folder_that_is_no_data_set_is_refused_with_a_sentence(dock, qtbot, tmp_path):
    look(dock, qtbot, tmp_path)
    assert dock.message.kind == "problem"
    assert "is no data set" in dock.message.text()


def test_the_command_names_only_what_differs_and_can_be_copied(dock, qtbot, discs):
    look(dock, qtbot, discs)
    make_small(dock, 3)
    dock.plan.name.setText("mine")
    dock.plan.name.textEdited.emit("mine")
    click(qtbot, dock.plan.copy_button)
    words = QGuiApplication.clipboard().text().split()
    assert words[:3] == ["napari-medseg", "train", "unet"]
    assert f"data.root={discs}" in words
    assert "trainer.epochs=3" in words
    assert not any(word.startswith(("loss.", "seed", "schedule.")) for word in words)
    assert words[-1] == str(dock.runs_folder / "mine")


def test_a_value_that_cannot_be_used_is_named(dock, qtbot, discs):
    look(dock, qtbot, discs)
    dock.plan.form.editors["optimiser.rate"].widget.setText("-1")
    dock.plan.form.editors["optimiser.rate"].widget.editingFinished.emit()
    assert not dock.plan.start_button.isEnabled()
    assert dock.plan.start_button.toolTip().startswith("Optimiser › Rate: ")


@pytest.mark.parametrize("name", ["a/b", "..", "con:x", "n" * 81, ""])
def test_a_name_that_no_folder_can_have_is_refused(dock, qtbot, discs, name):
    look(dock, qtbot, discs)
    assert dock.plan.start_button.isEnabled()
    dock.plan.name.setText(name)
    dock.plan.name.textEdited.emit(name)
    assert not dock.plan.start_button.isEnabled()
    assert "name without" in dock.plan.start_button.toolTip()


def test_what_is_open_becomes_a_data_set(dock, qtbot, viewer):
    dock.source.open_choice.setChecked(True)
    click(qtbot, dock.source.save_open)
    assert "paint labels" in dock.message.text()
    for seed in range(2):
        rng = np.random.default_rng(seed)
        viewer.add_image(rng.random((20 + seed, 24)))
        labels = np.zeros((20 + seed, 24), np.uint8)
        labels[4:9, 5:12] = 1
        viewer.add_labels(labels)
    with qtbot.waitSignal(dock.source.look.ended, timeout=60_000):
        click(qtbot, dock.source.save_open)
    assert "1 to train on, 1 to validate on" in dock.source.summary.text()


def test_a_value_is_found_by_its_name_or_by_what_it_means(dock):
    form = dock.plan.form
    dock.plan.all_values.open()
    assert not any(fold.is_open for fold in form.sections.values())
    form.search.setText("optimiser rate")
    shown = [key for key, row in form.rows.items() if not row.isHidden()]
    assert "optimiser.rate" in shown
    assert len(shown) < 5
    assert form.sections["schedule"].isHidden()
    form.search.setText("moving average")
    assert [key for key, row in form.rows.items() if not row.isHidden()] == ["trainer.ema"]
    form.search.setText("no such thing")
    assert not form.nothing.isHidden()
    form.search.clear()
    assert all(not fold.isHidden() and not fold.is_open for fold in form.sections.values())


def test_the_command_follows_while_a_value_is_typed(dock, qtbot):
    dock.plan.all_values.open()
    dock.plan.form.sections["optimiser"].open()
    line = dock.plan.form.editors["optimiser.rate"].widget
    line.clear()
    qtbot.keyClicks(line, "0.25")
    assert "optimiser.rate=0.25" in dock.plan.command_line.text()
    assert dock.plan.form.sections["optimiser"].heading.text() == "Optimiser (1 changed)"


def test_an_epoch_of_one_step_is_warned_of(dock, qtbot, discs):
    look(dock, qtbot, discs)
    dock.plan.form.editors["trainer.batch_size"].widget.setValue(24)
    assert dock.plan.concern.text().startswith("⚠ One epoch is only 1 step: ")
    dock.plan.form.editors["trainer.batch_size"].widget.setValue(1)
    assert dock.plan.concern.isHidden()


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    for name in ("discs", "rounds"):
        write_discs(tmp_path / "Tasks" / name, count=6)
    return tmp_path / "Tasks"


def test_a_folder_of_tasks_is_recognised_and_gets_its_recipe(dock, qtbot, tasks, discs):
    look(dock, qtbot, tasks)
    assert dock.source.summary.text().startswith("2 tasks with 12 images: discs (6 images)")
    assert dock.plan.recipe.name == "in_context_second"
    assert dock.plan.start_from.currentData() == "universeg-open"
    assert dock.plan.start_button.isEnabled(), dock.plan.start_button.toolTip()
    assert "start.model=universeg-open" in dock.plan.command_line.text()
    assert "data.kind" not in dock.plan.command_line.text()
    look(dock, qtbot, discs)
    assert dock.plan.recipe.name == "unet_selfreg"
    (tasks / "rounds" / "masks" / "p3.png").unlink()
    look(dock, qtbot, tasks)
    assert "not both" in dock.source.problems.item(0).text()
    assert not dock.plan.start_button.isEnabled()


def test_two_runs_are_drawn_beside_each_other(dock, tmp_path):
    for name, loss in (("first", 0.5), ("second", 0.25)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        lines = [
            {"event": "started", "pid": -1, "step": 0, "steps": 40},
            {"event": "train", "step": 10, "loss": loss},
            {"event": "validation", "step": 10, "dice": 1 - loss},
            {"event": "finished", "step": 40},
        ]
        log = tmp_path / "runs" / name / "events.jsonl"
        log.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    view = dock.view
    view.list_runs()
    assert not view.other.isHidden()
    shown = view.run.run.name
    beside = {"first": "second", "second": "first"}[shown]
    assert view.other.findText(f"Compare with {shown}") < 0
    view.other.setCurrentIndex(view.other.findText(f"Compare with {beside}"))
    view.other.activated.emit(view.other.currentIndex())
    losses = {"first": 0.5, "second": 0.25}
    assert view.curves.drawn() == {
        "loss": [(10, losses[shown])],
        "dice": [(10, 1 - losses[shown])],
        "other loss": [(10, losses[beside])],
        "other dice": [(10, 1 - losses[beside])],
    }
    view.other.setCurrentIndex(0)
    view.other.activated.emit(0)
    assert view.curves.drawn()["other loss"] == []


@pytest.mark.slow
def test_a_net_that_segments_by_example_is_trained_and_offered(dock, qtbot, tasks):
    look(dock, qtbot, tasks)
    dock.plan.start_from.setCurrentIndex(0)
    dock.plan.start_from.activated.emit(0)
    editors = dock.plan.form.editors
    for key, text in {
        "encoder_blocks": "[4, 4]",
        "stages": "[{steps = 8, size = 32, cost = 9.0}]",
        "data.leave_out": '["rounds"]',
    }.items():
        editors[key].widget.setText(text)
    for key, count in {"log_every": 2, "validate_every": 4, "parts": 1}.items():
        editors[key].widget.setValue(count)
    assert dock.plan.start_button.isEnabled(), dock.plan.start_button.toolTip()
    click(qtbot, dock.plan.start_button)
    qtbot.waitUntil(lambda: dock.view.phase in ("finished", "failed"), timeout=120_000)
    assert dock.view.phase == "finished", dock.view.run.message
    assert len(dock.view.run.losses) == 4
    assert len(dock.view.run.scores) == 2
    qtbot.waitUntil(dock.view.add_button.isEnabled)
    with qtbot.waitSignal(dock.add.ended, timeout=60_000):
        click(qtbot, dock.view.add_button)
    assert "Segment by example" in dock.message.text()
    card = get_card(dock.view.run.run.name)
    assert (card.kind, card.net) == ("in-context", "UniverSeg")
    assert "data" in card.licence


@pytest.mark.slow
def test_from_data_to_a_model_with_a_stop_and_a_resume_between(
    dock, qtbot, viewer, discs, monkeypatch
):
    look(dock, qtbot, discs)
    make_small(dock, 400)
    click(qtbot, dock.plan.start_button)
    view = dock.view
    qtbot.waitUntil(lambda: len(view.run.losses) > 0, timeout=120_000)
    run = view.run.run
    assert view.phase == "running"
    assert view.runs.currentText() == run.name
    click(qtbot, view.stop_button)
    qtbot.waitUntil(lambda: view.phase == "stopped", timeout=60_000)
    step = view.run.step
    assert 0 < step < view.run.steps

    # A dock that is opened later finds the run, and goes on where it stopped.
    config = run / "config.json"
    values = json.loads(config.read_text("utf-8"))
    values["trainer"]["epochs"] = step // 2 + 3
    config.write_text(json.dumps(values), "utf-8")
    later = TrainModel(viewer, dock.runs_folder)
    viewer.window.add_dock_widget(later, name="Train a model, again", area="right")
    assert later.view.run.run == run
    assert later.view.run.step == step
    click(qtbot, later.view.resume_button)
    qtbot.waitUntil(lambda: later.view.phase == "finished", timeout=120_000)
    qtbot.waitUntil(later.view.add_button.isEnabled)
    assert later.view.run.step > step
    assert later.view.run.scores

    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    with qtbot.waitSignal(later.report.ended, timeout=60_000):
        click(qtbot, later.view.report_button)
    assert later.message.text().startswith("✓ Mean Dice ")
    assert Path(opened[0]).read_text("utf-8").lstrip().lower().startswith("<!doctype html")

    with qtbot.waitSignal(later.add.ended, timeout=60_000):
        click(qtbot, later.view.add_button)
    card = get_card(run.name)
    assert card.net == "UNet"
    assert later.message.kind == "done"
    assert not runs.is_alive(run)
