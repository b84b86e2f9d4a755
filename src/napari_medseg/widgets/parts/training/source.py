"""On what to train: a folder, or what is open and painted."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QPushButton,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from napari_medseg.session.training.data import KINDS, FoundData
from napari_medseg.widgets.parts.choices import choice_box
from napari_medseg.widgets.parts.jobs.button import JobButton
from napari_medseg.widgets.parts.messages import small_print

_LISTED = 200
_LIST_HEIGHT = 90


class TrainingSource(QGroupBox):
    """Asks where the data is and shows what was found there.

    Parameters
    ----------
    save_open, look : JobButton
        Write what is open as a data set; look into the folder.
    """

    changed = Signal()

    def __init__(
        self, save_open: JobButton, look: JobButton, parent: QWidget | None = None
    ) -> None:
        super().__init__("Data", parent)
        self.found: FoundData | None = None
        self.folder_choice = QRadioButton("A folder")
        self.open_choice = QRadioButton("What is open and painted now")
        self.line = QLineEdit()
        self.line.setPlaceholderText("Folder of images with masks")
        self.browse = QPushButton("Browse…")
        self.browse.setToolTip(
            "Images and masks, nnU-Net, Medical Decathlon, Synapse/ACDC slices, or tasks"
        )
        self.kind = choice_box(KINDS, "How the folder is recognised")
        self.save_open, self.look = save_open, look
        self.summary = small_print()
        self.problems = QListWidget()
        self.problems.setMaximumHeight(_LIST_HEIGHT)
        self.problems.setWordWrap(True)
        self._lay_out()
        self.folder_choice.setChecked(True)
        self._choose()
        self.folder_choice.toggled.connect(self._choose)
        self.browse.clicked.connect(self._browse)
        self.line.textEdited.connect(lambda _: self.forget())
        self.line.returnPressed.connect(self.look.start)
        self.kind.activated.connect(lambda _: self.forget())

    @property
    def folder(self) -> Path | None:
        """The folder that is named, whole, so that a run keeps it; None if none is."""
        text = self.line.text().strip()
        return Path(text).expanduser().absolute() if text else None

    def point_to(self, folder: Path) -> None:
        """Name a folder, and look into it."""
        self.folder_choice.setChecked(True)
        self.line.setText(str(folder))
        self.forget()
        self.look.start()

    def show_found(self, found: FoundData) -> None:
        """Show what the folder holds."""
        self.found = found
        self.summary.setText(found.summary)
        self.summary.show()
        self.problems.clear()
        sentences = [f"✗ {text}" for text in found.errors] + [
            f"⚠ {text}" for text in found.warnings
        ]
        self.problems.addItems(sentences[:_LISTED])
        if len(sentences) > _LISTED:
            self.problems.addItem(f"… and {len(sentences) - _LISTED:,} more")
        self.problems.setVisible(bool(sentences))
        self.changed.emit()

    def forget(self) -> None:
        """Drop what was found: it no longer holds."""
        self.found = None
        self.problems.clear()
        self.summary.hide()
        self.problems.hide()
        self.changed.emit()

    def missing(self) -> str:
        """Say what is still to be done before a training can start; empty if nothing is."""
        if self.open_choice.isChecked():
            return f"Press “{self.save_open.title}” first; it is then looked into."
        if self.folder is None:
            return "Choose the data first."
        if self.found is None:
            return "Look into the data first: press “Look”."
        if self.found.errors:
            return "The data has errors; they are listed under it."
        return ""

    def _choose(self, _: bool = True) -> None:
        from_folder = self.folder_choice.isChecked()
        for part in (self.line, self.browse, self.kind, self.look):
            part.setVisible(from_folder)
        self.save_open.setVisible(not from_folder)
        self.summary.setVisible(from_folder and self.found is not None)
        self.problems.setVisible(from_folder and self.problems.count() > 0)
        self.changed.emit()

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Data to train on", self.line.text())
        if chosen:
            self.point_to(Path(chosen))

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        where = QHBoxLayout()
        where.addWidget(self.line, 1)
        where.addWidget(self.browse)
        what = QHBoxLayout()
        what.addWidget(self.kind, 1)
        what.addWidget(self.look)
        column.addWidget(self.folder_choice)
        column.addLayout(where)
        column.addLayout(what)
        column.addWidget(self.open_choice)
        for part in (self.save_open, self.summary, self.problems):
            column.addWidget(part)
        self.summary.hide()
        self.problems.hide()
