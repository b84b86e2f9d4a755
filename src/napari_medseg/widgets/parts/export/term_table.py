"""What each class is in DICOM: a table with the term that its name suggests, open to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap, QShowEvent, QStandardItemModel
from qtpy.QtWidgets import QComboBox, QHeaderView, QSizePolicy, QTableWidget, QTableWidgetItem

from napari_medseg.io.formats.dicom.terms import CATEGORIES, SIDES, TERMS, ClassTerm, Code, term_for
from napari_medseg.session.layers.colours import colour_of
from napari_medseg.widgets.parts.export.term_dialog import TermDialog

OTHER_CODE = "Other code…"
_NAME, _TYPE, _SIDE = 0, 1, 2
_MOST_ROWS_SHOWN = 5
_BORDERS = 6  # what napari's style draws around header and cells


class TermTable(QTableWidget):
    """One row per class: its name, what it is, and on which side.

    The category (anatomy, tissue, abnormality) follows from what it is; the list is ordered by it.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__(0, 3)
        self.setHorizontalHeaderLabels(["Class", "Is", "Side"])
        self.verticalHeader().hide()
        self.setSelectionMode(QTableWidget.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        header = self.horizontalHeader()
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(_TYPE, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(_SIDE, QHeaderView.ResizeMode.ResizeToContents)
        self.setToolTip("DICOM names classes by codes of SNOMED CT; choose what each class is")
        self._shown: dict[int, str] = {}
        self._colours: dict[int, QColor] = {}
        self._chosen: dict[str, ClassTerm] = {}

    def show_classes(self, names: Mapping[int, str], colours: Mapping[int, QColor]) -> None:
        """Show these classes, by label value; what was chosen for a name stays chosen."""
        self._shown, self._colours = dict(names), dict(colours)
        with QSignalBlocker(self):
            self.setRowCount(len(names))
            for row, (value, name) in enumerate(names.items()):
                self._show_row(row, value, name)
        self.resizeRowsToContents()
        self._fit()

    def terms(self) -> dict[int, ClassTerm]:
        """Give what each class is, by label value."""
        return {value: self._term(name) for value, name in self._shown.items()}

    def _term(self, name: str) -> ClassTerm:
        return self._chosen.get(name) or term_for(name)

    def _show_row(self, row: int, value: int, name: str) -> None:
        swatch = QPixmap(14, 14)
        swatch.fill(self._colours.get(value) or QColor(colour_of(value)))
        item = QTableWidgetItem(QIcon(swatch), name)
        item.setFlags(Qt.ItemFlag.ItemIsEnabled)
        item.setToolTip(name)
        self.setItem(row, _NAME, item)
        types, sides = _types(), _sides()
        self.setCellWidget(row, _TYPE, types)
        self.setCellWidget(row, _SIDE, sides)
        self._show_term(row, self._term(name))
        for box in (types, sides):
            box.activated.connect(lambda _, row=row, name=name: self._on_chosen(row, name))

    def _show_term(self, row: int, term: ClassTerm) -> None:
        types, sides = self.cellWidget(row, _TYPE), self.cellWidget(row, _SIDE)
        if _index_of(types, term) is None:
            types.insertItem(types.count() - 1, term.type.meaning, term)
        types.setCurrentIndex(_index_of(types, term) or 0)
        sides.setCurrentIndex(1 + SIDES.index(term.side) if term.side in SIDES else 0)

    def _on_chosen(self, row: int, name: str) -> None:
        term: ClassTerm | None = self.cellWidget(row, _TYPE).currentData()
        if term is None:  # another code
            term = TermDialog.ask(name, self._term(name), self) or self._term(name)
            self._show_term(row, replace(term, side=self._term(name).side))
        side: Code | None = self.cellWidget(row, _SIDE).currentData()
        self._chosen[name] = replace(term, side=side)
        self.changed.emit()

    def showEvent(self, event: QShowEvent) -> None:
        """Fit once the style has given the rows their height."""
        super().showEvent(event)
        self.resizeRowsToContents()
        self._fit()

    def _fit(self) -> None:
        """Take the height of the rows, up to a few; the rest scrolls."""
        rows = range(min(self.rowCount(), _MOST_ROWS_SHOWN))
        height = sum(self.rowHeight(row) for row in rows) or self.fontMetrics().height()
        header = self.horizontalHeader().sizeHint().height()
        self.setFixedHeight(header + height + 2 * self.frameWidth() + _BORDERS)


def _index_of(types: QComboBox, term: ClassTerm) -> int | None:
    """Find a term by its code; two codes may mean the same."""
    for index in range(types.count()):
        offered = types.itemData(index)
        if offered is not None and (offered.type, offered.category) == (term.type, term.category):
            return index
    return None


def _types() -> QComboBox:
    box = _box()
    model = box.model()
    for category in CATEGORIES:
        members = [term for term in TERMS.values() if term.category == category]
        if not members:
            continue
        box.addItem(category.meaning)
        assert isinstance(model, QStandardItemModel)
        model.item(box.count() - 1).setEnabled(False)
        for term in sorted(members, key=lambda term: term.type.meaning):
            box.addItem(term.type.meaning, term)
    box.addItem(OTHER_CODE)
    return box


def _sides() -> QComboBox:
    box = _box()
    for text, side in zip(("–", "Left", "Right", "Both"), _choices(SIDES), strict=True):
        box.addItem(text, side)
    return box


def _choices(sides: Sequence[Code]) -> list[Code | None]:
    return [None, *sides]


def _box() -> QComboBox:
    box = QComboBox()
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    box.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    return box
