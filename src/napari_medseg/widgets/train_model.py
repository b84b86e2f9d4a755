"""The dock Train a model: data, recipe, a process of its own, curves, and a model at the end."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QUrl
from qtpy.QtGui import QColor, QDesktopServices, QGuiApplication
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_medseg.engine.results import Progress
from napari_medseg.session import training_run
from napari_medseg.session.open_cases import dataset_job, painted, painted_pairs
from napari_medseg.session.recipes import RecipeChoice, segmentation_recipes
from napari_medseg.session.stack import stack_on_display
from napari_medseg.session.training_data import FoundData, look_job
from napari_medseg.session.training_run import TrainingCommand
from napari_medseg.widgets.parts.device_box import device_box
from napari_medseg.widgets.parts.farewell import Farewell
from napari_medseg.widgets.parts.job_button import AnyJob, JobButton, JobGate
from napari_medseg.widgets.parts.job_progress import JobProgress
from napari_medseg.widgets.parts.messages import Message, small_print
from napari_medseg.widgets.parts.recipe_form import RecipeForm
from napari_medseg.widgets.parts.training_source import TrainingSource
from napari_medseg.widgets.parts.training_view import TrainingView
from napari_medseg.widgets.parts.vertical_scroll import VerticalScrollArea
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.registry import list_models

if TYPE_CHECKING:
    import napari.viewer

_SURFACE = {"trainer.epochs": "Epochs", "trainer.batch_size": "Batch size"}


class TrainModel(QWidget):
    """The dock; the training is a process that it starts, follows and outlives it.

    Parameters
    ----------
    viewer : napari viewer
        Whose painted layers can be trained on.
    folder : Path, optional
        Where the runs are kept; by default beside the models that were added.
    """

    def __init__(self, viewer: napari.viewer.Viewer, folder: Path | None = None) -> None:
        from medseg_training.schema import RunConfig

        super().__init__()
        # A plugin gets a proxy that wraps layers anew at every access; they must stay themselves.
        self.viewer: napari.viewer.Viewer = getattr(viewer, "__wrapped__", viewer)
        self.runs_folder = folder or training_run.runs_folder()
        gate = JobGate(self)
        save_open = JobButton("Save what is open as a data set", self._save_open_job, gate)
        look = JobButton("Look", self._look_job, gate)
        look.set_idle("Look", "Read all of it once and list what is wrong")
        self.source = TrainingSource(save_open, look)
        self.recipes = QComboBox()
        self.recipes.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.citation = small_print()
        self.start_from = QComboBox()
        self.start_from.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.device = device_box()
        self.form = RecipeForm(RunConfig, tuple(_SURFACE))
        self.all_values = QCollapsible("All values")
        self.name = QLineEdit()
        self.name.setToolTip("The folder of the run, below the folder of all runs")
        self.command = QLineEdit()
        self.command.setReadOnly(True)
        self.command.setToolTip("What the button runs; the same works in a terminal")
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the command")
        self.start_button = QPushButton("Start training")
        self.view = TrainingView(self.runs_folder)
        self.add = JobButton("Add to my models", self._add_job, gate, self)
        self.add.hide()
        self.progress = JobProgress()
        self.message = Message()
        self._farewell = Farewell(self, self._let_go)
        self._lay_out()
        self._list_recipes()
        self._connect()
        self._refresh()

    # -- what the user does ---------------------------------------------------------------------

    def start(self) -> None:
        """Start the training that the command line shows."""
        command = self._command()
        try:
            process = training_run.start(command)
        except (ValueError, OSError) as error:
            self.message.problem(str(error))
            return
        self._follow(command.run, process)
        self.message.hint("It goes on when napari is closed; this dock finds it again.")

    def resume(self) -> None:
        """Go on with the run on display from its last checkpoint."""
        if self.view.run is None:
            return
        run = self.view.run.run
        try:
            process = training_run.start(TrainingCommand("", run, resume=True))
        except (ValueError, OSError) as error:
            self.message.problem(str(error))
            return
        self._follow(run, process)
        self.message.hint("It goes on from its last checkpoint.")

    def event(self, event: QEvent) -> bool:
        """Stop looking when the dock is closed; the training goes on."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._farewell.say()
        return super().event(event)

    # -- jobs -----------------------------------------------------------------------------------

    def _look_job(self) -> AnyJob:
        folder = self.source.folder
        if folder is None:
            raise ValueError("Choose a folder first.")
        return look_job(folder, self.source.kind.currentData())

    def _save_open_job(self) -> AnyJob:
        pairs = painted_pairs(self.viewer.layers)
        if not pairs:
            raise ValueError("Nothing that is open is painted: paint labels on an image first.")
        snapshots = [
            painted(image, labels, stack_on_display(image, self.viewer.dims))
            for image, labels in pairs
        ]
        data = self.runs_folder / "data" / time.strftime("%Y%m%d-%H%M%S")
        return dataset_job(snapshots, data / "Dataset001_Open")

    def _add_job(self) -> AnyJob:
        if self.view.run is None:
            raise ValueError("Choose a run first.")
        return add_job(self.view.run.run)

    def _on_saved(self, folder: Path) -> None:
        self.source.point_to(folder)
        self.message.done(f"Saved in {folder}.")

    def _on_found(self, found: FoundData) -> None:
        self.source.show_found(found)
        if found.errors:
            self.message.problem("The data cannot be trained on as it is; see the list under it.")
        else:
            self.message.hint("Choose a recipe, then press “Start training”.")

    def _on_added(self, card: ModelCard) -> None:
        self._list_starts()
        self.message.done(f"“{card.title}” is in the dock Segment with a model now.")

    # -- what is possible now -------------------------------------------------------------------

    def _refresh(self) -> None:
        missing = self.source.missing() or self.form.problem(self._others())
        self.start_button.setEnabled(not missing)
        self.start_button.setToolTip(missing or "Train in the background")
        self.command.setText(str(self._command()))
        self.command.setCursorPosition(0)

    def _others(self) -> dict[str, Any]:
        """Give the values that are chosen outside the form."""
        others: dict[str, Any] = {"data.root": str(self.source.folder or "DATA")}
        if self.source.kind.currentData() != "auto":
            others["data.kind"] = self.source.kind.currentData()
        if self.device.currentData() != "auto":
            others["device"] = self.device.currentData()
        if self.start_from.currentData():
            others["start.model"] = self.start_from.currentData()
        return others

    def _command(self) -> TrainingCommand:
        run = self.runs_folder / (self.name.text().strip() or "run")
        changes = {**self._others(), **self.form.changes()}
        return TrainingCommand(self._recipe().name, run, changes)

    def _recipe(self) -> RecipeChoice:
        recipe: RecipeChoice = self.recipes.currentData()
        return recipe

    def _list_recipes(self) -> None:
        for recipe in segmentation_recipes():
            self.recipes.addItem(recipe.title, recipe)
        self._on_recipe()

    def _on_recipe(self) -> None:
        recipe = self._recipe()
        self.form.show_recipe(recipe.content)
        self.citation.setText(recipe.citation)
        self.name.setText(f"{recipe.name}-{time.strftime('%Y%m%d-%H%M')}")
        self._list_starts()
        self._refresh()

    def _list_starts(self) -> None:
        """Offer the models of the recipe's net to go on from."""
        chosen = self.start_from.currentData()
        self.start_from.clear()
        self.start_from.addItem("As the recipe says", "")
        for card in list_models(present=True):
            if card.net == self._recipe().net:
                self.start_from.addItem(card.title, card.name)
        self.start_from.setCurrentIndex(max(0, self.start_from.findData(chosen)))

    def _follow(self, run: Path, process: subprocess.Popen[bytes]) -> None:
        self.view.show_run(run, process)
        self.view.list_runs()
        self.name.setText(f"{self._recipe().name}-{time.strftime('%Y%m%d-%H%M%S')}")
        self._refresh()

    def _on_ended(self, phase: str) -> None:
        if phase == "finished":
            self.message.done("The training is finished: add it to your models to use it.")
        elif phase == "failed" and self.view.run is not None:
            self.message.problem(self.view.run.message or "The training failed.")

    # -- layout and wiring ----------------------------------------------------------------------

    def _lay_out(self) -> None:
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.source)
        column.addWidget(self._training_group())
        column.addWidget(self.view)
        column.addStretch()
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2, 0, 4, 4)
        scroll = VerticalScrollArea(inside)
        self.all_values.toggled.connect(lambda _: scroll.show_later(self.all_values))
        for part in (scroll, self.progress, self.message):
            outer.addWidget(part)

    def _training_group(self) -> QGroupBox:
        group = QGroupBox("Training")
        column = QVBoxLayout(group)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Recipe", self.recipes)
        form.addRow("", self.citation)
        form.addRow("Start from", self.start_from)
        for key, words in _SURFACE.items():
            form.addRow(words, self.form.editors[key].widget)
        form.addRow("Runs on", self.device)
        form.addRow("Name", self.name)
        column.addLayout(form)
        self.all_values.addWidget(self.form)
        column.addWidget(self.all_values)
        line = QHBoxLayout()
        line.addWidget(self.command, 1)
        line.addWidget(self.copy_button)
        column.addLayout(line)
        column.addWidget(self.start_button)
        return group

    def _connect(self) -> None:
        for button in (self.source.look, self.source.save_open, self.add):
            self.progress.follow(button)
            button.failed.connect(self.message.problem)
        self.source.look.succeeded.connect(self._on_found)
        self.source.save_open.succeeded.connect(self._on_saved)
        self.add.succeeded.connect(self._on_added)
        self.source.changed.connect(self._refresh)
        self.recipes.activated.connect(lambda _: self._on_recipe())
        for box in (self.start_from, self.device):
            box.activated.connect(lambda _: self._refresh())
        self.form.changed.connect(self._refresh)
        self.name.textEdited.connect(lambda _: self._refresh())
        self.copy_button.clicked.connect(self._copy)
        self.start_button.clicked.connect(self.start)
        self.view.resume_asked.connect(self.resume)
        self.view.add_asked.connect(self.add.start)
        self.view.folder_button.clicked.connect(self._open_folder)
        self.view.ended.connect(self._on_ended)
        self.viewer.events.theme.connect(self._on_theme)
        self._on_theme()

    def _on_theme(self, event: object = None) -> None:
        text = get_theme(self.viewer.theme).text
        self.view.curves.set_ink(QColor(text.as_hex()))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.command.text())
        self.message.done("Copied.")

    def _open_folder(self) -> None:
        if self.view.run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.view.run.run)))

    def _let_go(self) -> None:
        """Leave the process alone; only the look at it ends."""
        self.viewer.events.theme.disconnect(self._on_theme)
        for button in (self.source.look, self.source.save_open, self.add):
            button.cancel()


def add_job(run: Path) -> Generator[Progress, None, ModelCard]:
    """Make the best weights of a run a model of the zoo."""
    from medseg_training.export import export_run
    from napari_medseg.zoo.registry import user_folder

    yield Progress(0, 1, "Writing the model")
    card = export_run(run, user_folder() / run.name)
    yield Progress(1, 1, "Written")
    return card
