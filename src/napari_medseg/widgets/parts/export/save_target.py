"""Where a file shall go: a name that can be typed, and a file dialog."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QPushButton, QWidget

from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.label_formats import LabelFormat

_NNUNET_NAME = "Dataset001_Labels"


class SaveTarget(QWidget):
    """A path whose ending follows the format; what a person typed stays until it was used."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.line = QLineEdit()
        self.button = QPushButton("Browse…")
        self.button.setToolTip("Choose folder and name")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, 1)
        row.addWidget(self.button)
        self._format: LabelFormat | None = None
        self._folder, self._stem = Path.home(), "labels"
        self._typed, self._used = "", False
        self.line.textEdited.connect(self._on_edited)
        self.line.textChanged.connect(lambda text: self.line.setToolTip(text))
        self.button.clicked.connect(self._on_browse)

    @property
    def path(self) -> Path:
        """Where it points now."""
        return Path(self.line.text().strip()).expanduser()

    def suggest(self, folder: Path | None, stem: str) -> None:
        """Propose a place; a name that was typed by hand stays."""
        self._folder, self._stem = folder or self._folder, stem
        self._refresh()

    def note_written(self) -> None:
        """Note that something was written there."""
        self._used = True

    def turn_to_others(self) -> None:
        """Forget the name of a file that others were written to; a data set takes many."""
        if self._used and self._format is not None and self._format.suffixes:
            self._typed = ""
        self._used = False

    def set_format(self, format_: LabelFormat) -> None:
        """End the name as this format wants it."""
        self._format = format_
        self._refresh()

    def problem(self) -> str:
        """Say in a sentence why nothing can be written there; empty if it can be tried."""
        if not self.line.text().strip():
            return "Say where to save it."
        path, format_ = self.path, self._format
        if format_ is not None and format_.suffixes:
            if split_suffix(path.name)[1].lower() not in format_.suffixes:
                return f"End the name with {' or '.join(format_.suffixes)}."
        elif format_ is not None:
            from napari_medseg.io.formats.nnunet import check_dataset_name

            try:
                check_dataset_name(path)
            except ValueError as error:
                return str(error)
        if not path.parent.is_dir():
            return f"The folder {path.parent} does not exist; choose another one."
        return ""

    def _refresh(self) -> None:
        format_ = self._format
        if format_ is None:
            return
        if self._typed and self._typed == self.line.text() and not self.problem():
            return
        if self._typed:
            typed = Path(self._typed)
            stem = split_suffix(typed.name)[0]
            name = f"{stem}{format_.suffixes[0]}" if format_.suffixes else _as_dataset(stem)
            folder = typed.parent
        else:
            name = f"{self._stem}{format_.suffixes[0]}" if format_.suffixes else _NNUNET_NAME
            folder = self._folder
        self.line.setText(str(folder / name))
        self.changed.emit()

    def _on_edited(self, text: str) -> None:
        self._typed, self._used = text.strip(), False
        self.changed.emit()

    def _on_browse(self) -> None:
        endings = " ".join(f"*{suffix}" for suffix in (self._format.suffixes or ("",)))
        # Whether something may be replaced is asked at Export, for names that are typed as well.
        chosen, _ = QFileDialog.getSaveFileName(
            self,
            "Export labels",
            self.line.text(),
            f"{self._format.title} ({endings or '*'})",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if chosen:
            self.point_to(Path(chosen))

    def point_to(self, path: Path) -> None:
        """Take a path as if it had been typed, with the ending of the format where it has none."""
        if self._format is not None and self._format.suffixes:
            stem, suffix = split_suffix(path.name)
            if suffix.lower() not in self._format.suffixes:
                path = path.with_name(f"{stem}{self._format.suffixes[0]}")
        self._typed, self._used = str(path), False
        self.line.setText(self._typed)
        self.changed.emit()


def _as_dataset(name: str) -> str:
    from napari_medseg.io.formats.nnunet import check_dataset_name

    try:
        check_dataset_name(Path(name))
    except ValueError:
        return _NNUNET_NAME
    return name
