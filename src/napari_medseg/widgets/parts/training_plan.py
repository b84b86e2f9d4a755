"""What is trained and how: recipe, start, values, and the command that all of it makes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
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

from napari_medseg.session.recipes import RecipeChoice, segmentation_recipes
from napari_medseg.session.training_run import TrainingCommand
from napari_medseg.widgets.parts.device_box import device_box
from napari_medseg.widgets.parts.messages import small_print
from napari_medseg.widgets.parts.recipe_form import RecipeForm
from napari_medseg.zoo.registry import list_models

_SURFACE = {"trainer.epochs": "Epochs", "trainer.batch_size": "Batch size"}
_FIRST = "unet_selfreg"
"""The recipe that is offered: it needs no weights to begin with, and no further package."""


class TrainingPlan(QGroupBox):
    """Asks how to train, and shows the command line that does it.

    Parameters
    ----------
    runs : Path
        Where the run folders are.
    """

    changed = Signal()
    start_asked = Signal()
    copied = Signal()

    def __init__(self, runs: Path, parent: QWidget | None = None) -> None:
        from medseg_training.schema import RunConfig

        super().__init__("Training", parent)
        self._runs = runs
        self._data: dict[str, Any] = {}
        self.recipes = _wide_box()
        self.citation = small_print()
        self.start_from = _wide_box()
        self.device = device_box()
        self.form = RecipeForm(RunConfig, tuple(_SURFACE))
        self.all_values = QCollapsible("All values")
        self.name = QLineEdit()
        self.name.setToolTip("The folder of the run, below the folder of all runs")
        self.command_line = QLineEdit()
        self.command_line.setReadOnly(True)
        self.command_line.setToolTip("What the button runs; the same works in a terminal")
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the command")
        self.start_button = QPushButton("Start training")
        self._lay_out()
        for recipe in segmentation_recipes():
            self.recipes.addItem(recipe.title, recipe)
            if recipe.name == _FIRST:
                self.recipes.setCurrentIndex(self.recipes.count() - 1)
        self._on_recipe()
        self._connect()

    @property
    def recipe(self) -> RecipeChoice:
        """The one that is chosen."""
        chosen: RecipeChoice = self.recipes.currentData()
        return chosen

    @property
    def command(self) -> TrainingCommand:
        """What starts the training."""
        run = self._runs / (self.name.text().strip() or "run")
        return TrainingCommand(self.recipe.name, run, {**self._others(), **self.form.changes()})

    def show_data(self, folder: Path | None, kind: str, missing: str) -> None:
        """Take over the data, and say what is missing before a training can start."""
        self._data = {"data.root": str(folder or "DATA")}
        if kind != "auto":
            self._data["data.kind"] = kind
        missing = missing or self.form.problem(self._others())
        self.start_button.setEnabled(not missing)
        self.start_button.setToolTip(missing or "Train in the background")
        self.command_line.setText(str(self.command))
        self.command_line.setCursorPosition(0)

    def list_starts(self) -> None:
        """Offer the models of the recipe's net to go on from; of any net if it names none."""
        chosen, net = self.start_from.currentData(), self.recipe.net
        self.start_from.clear()
        self.start_from.addItem("As the recipe says" if net else "Choose a model", "")
        for card in list_models(present=True):
            if card.net == net or (not net and card.kind == "pretrained"):
                self.start_from.addItem(card.title, card.name)
        self.start_from.setCurrentIndex(max(0, self.start_from.findData(chosen)))

    def name_anew(self) -> None:
        """Propose a name that no run has."""
        self.name.setText(f"{self.recipe.name}-{time.strftime('%Y%m%d-%H%M%S')}")
        self.changed.emit()

    def _others(self) -> dict[str, Any]:
        """Give the values that are chosen outside the form."""
        others = dict(self._data)
        if self.device.currentData() != "auto":
            others["device"] = self.device.currentData()
        if self.start_from.currentData():
            others["start.model"] = self.start_from.currentData()
        return others

    def _on_recipe(self) -> None:
        self.form.show_recipe(self.recipe.content)
        self.citation.setText(self.recipe.citation)
        self.list_starts()
        self.name_anew()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.command_line.text())
        self.copied.emit()

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
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
        line.addWidget(self.command_line, 1)
        line.addWidget(self.copy_button)
        column.addLayout(line)
        column.addWidget(self.start_button)

    def _connect(self) -> None:
        self.recipes.activated.connect(lambda _: self._on_recipe())
        for box in (self.start_from, self.device):
            box.activated.connect(lambda _: self.changed.emit())
        self.form.changed.connect(self.changed)
        self.name.textEdited.connect(lambda _: self.changed.emit())
        self.copy_button.clicked.connect(self._copy)
        self.start_button.clicked.connect(self.start_asked)


def _wide_box() -> QComboBox:
    box = QComboBox()
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return box
