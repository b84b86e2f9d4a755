"""What is trained and how: recipe, start, values, and the command that all of it makes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from medseg_training.words import few_steps
from napari_medseg.session.training.command import TrainingCommand
from napari_medseg.session.training.data import TASKS, FoundData
from napari_medseg.session.training.recipes import RecipeChoice, all_recipes
from napari_medseg.widgets.parts.arrange import column, fill, form, held
from napari_medseg.widgets.parts.device_box import DeviceBox
from napari_medseg.widgets.parts.elided_box import ElidedBox
from napari_medseg.widgets.parts.messages import small_print
from napari_medseg.widgets.parts.training.fold import Fold
from napari_medseg.widgets.parts.training.recipe_form import RecipeForm
from napari_medseg.zoo.registry import list_models

_NOT_IN_NAMES = set('/\\:*?"<>|')
_LONGEST_NAME = 80
_SURFACE = {
    "segmentation": {"trainer.epochs": "Epochs", "trainer.batch_size": "Batch size"},
    "in-context": {"stages": "Stages", "data.leave_out": "Only watch"},
}
"""Values that are always in sight, for each kind of recipe."""
_FIRST = {
    "segmentation": ("unet_selfreg", ""),
    "in-context": ("in_context_second", "universeg-open"),
}
"""The recipe that is offered for each kind of data, and what it starts from: these need no weights
that are not here, and no further package."""


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
        super().__init__("Training", parent)
        self._runs = runs
        self._data: dict[str, Any] = {}
        self._found: FoundData | None = None
        self.recipes = ElidedBox()
        self.citation = small_print()
        self.start_from = ElidedBox()
        self.device = DeviceBox()
        self.forms = _forms()
        self.surfaces = {kind: _surface(kind, values) for kind, values in self.forms.items()}
        self.all_values = Fold("All values", column(*self.forms.values()))
        self.concern = small_print()
        self.name = QLineEdit()
        self.name.setToolTip("The folder of the run, below the folder of all runs")
        self.command_line = QLineEdit()
        self.command_line.setReadOnly(True)
        self.command_line.setToolTip("What the button runs; the same works in a terminal")
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the command")
        self.start_button = QPushButton("Start training")
        self._lay_out()
        for recipe in all_recipes():
            self.recipes.addItem(recipe.title, recipe)
        self._choose(*_FIRST["segmentation"])
        self._connect()

    @property
    def recipe(self) -> RecipeChoice:
        """The one that is chosen."""
        chosen: RecipeChoice = self.recipes.currentData()
        return chosen

    @property
    def form(self) -> RecipeForm:
        """The values of the recipe that is chosen."""
        return self.forms[self.recipe.kind]

    @property
    def command(self) -> TrainingCommand:
        """What starts the training."""
        run = self._runs / (self.name.text().strip() or "run")
        return TrainingCommand(self.recipe.name, run, {**self._others(), **self.form.changes()})

    def show_data(
        self, folder: Path | None, kind: str, missing: str, found: FoundData | None = None
    ) -> None:
        """Take over the data, and say what is missing before a training can start.

        Parameters
        ----------
        folder : Path, optional
            Where the data is; None while that is not known.
        kind : str
            The convention of the folder.
        missing : str
            What is still to be done about the data; empty if nothing is.
        found : FoundData, optional
            What was found in the folder. A recipe of another kind gives way to one that fits.
        """
        is_new, self._found = found is not self._found, found
        self._data = {"data.root": str(folder or "DATA")}
        if kind not in ("auto", TASKS):
            self._data["data.kind"] = kind
        if is_new and found is not None and found.trains != self.recipe.kind:
            self._choose(*_FIRST[found.trains])
        missing = missing or self._misnamed() or self._misfit()
        missing = missing or self.form.problem(self._others())
        self.start_button.setEnabled(not missing)
        self.start_button.setToolTip(missing or "Train in the background")
        self.command_line.setText(str(self.command))
        self.command_line.setCursorPosition(0)
        concern = self._concern()
        self.concern.setText(f"⚠ {concern}")
        self.concern.setVisible(bool(concern))

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

    def _misnamed(self) -> str:
        """Say why a folder cannot have this name; empty if it can."""
        name = self.name.text().strip()
        if name.strip(".") and not _NOT_IN_NAMES & set(name) and len(name) <= _LONGEST_NAME:
            return ""
        return (
            f'Give the run a name without / \\ : * ? " < > | and of at most {_LONGEST_NAME} '
            "characters."
        )

    def _misfit(self) -> str:
        """Say that the recipe wants other data; empty if it does not."""
        if self._found is None or self._found.trains == self.recipe.kind:
            return ""
        if self.recipe.kind == "in-context":
            return "This recipe learns from a folder of tasks, each with images/ and masks/."
        return "A folder of tasks is for a recipe that trains UniverSeg; choose one."

    def _concern(self) -> str:
        """Warn of what can be started and is probably not meant; empty where nothing is."""
        if self._found is None or not self._found.planes or self.recipe.kind != "segmentation":
            return ""
        values = self.forms["segmentation"].editors
        batch = values["trainer.batch_size"].get()
        taken = batch * values["trainer.accumulate"].get()
        return few_steps(-(-self._found.planes // taken), batch)

    def _choose(self, name: str, start: str) -> None:
        """Choose a recipe, and a model to start from, where it is here."""
        names = [self.recipes.itemData(row).name for row in range(self.recipes.count())]
        self.recipes.setCurrentIndex(names.index(name))
        self._on_recipe()
        self.start_from.setCurrentIndex(max(0, self.start_from.findData(start)))

    def _on_recipe(self) -> None:
        self.form.show_recipe(self.recipe.content)
        for kind, values in self.forms.items():
            values.setVisible(kind == self.recipe.kind)
            self.surfaces[kind].setVisible(kind == self.recipe.kind)
        self.citation.setText(self.recipe.citation)
        self.citation.setVisible(bool(self.recipe.citation))
        self.list_starts()
        self.name_anew()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.command_line.text())
        self.copied.emit()

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.addWidget(self.command_line, 1)
        line.addWidget(self.copy_button)
        fill(
            QVBoxLayout(self),
            form(
                ("Recipe", self.recipes),
                (None, self.citation),
                ("Start from", self.start_from),
                ("Runs on", self.device),
                ("Name", self.name),
            ),
            *self.surfaces.values(),
            self.all_values,
            self.concern,
            line,
            self.start_button,
        )

    def _connect(self) -> None:
        self.recipes.activated.connect(lambda _: self._on_recipe())
        for box in (self.start_from, self.device):
            box.activated.connect(lambda _: self.changed.emit())
        for values in self.forms.values():
            values.changed.connect(self.changed)
        self.name.textEdited.connect(lambda _: self.changed.emit())
        self.copy_button.clicked.connect(self._copy)
        self.start_button.clicked.connect(self.start_asked)


def _forms() -> dict[str, RecipeForm]:
    """Make a form for each kind of recipe."""
    from medseg_training.in_context.recipe import Recipe
    from medseg_training.schema import RunConfig

    schemas = {"segmentation": RunConfig, "in-context": Recipe}
    return {kind: RecipeForm(schema, tuple(_SURFACE[kind])) for kind, schema in schemas.items()}


def _surface(kind: str, values: RecipeForm) -> QWidget:
    """Show the values of a form that are always in sight."""
    editors = values.editors
    return held(form(*((words, editors[key].widget) for key, words in _SURFACE[kind].items())))
