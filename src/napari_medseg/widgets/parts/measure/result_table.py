"""A table of results: sorted by a click on a column, copied, saved, and followed row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import (
    QAbstractTableModel,
    QItemSelectionModel,
    QModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor, QGuiApplication
from qtpy.QtWidgets import QAbstractItemView, QTableView, QWidget

from napari_medseg.io.tables import heading, shown

if TYPE_CHECKING:
    import pandas as pd

_ROW = 22
_SORT_ROLE = Qt.ItemDataRole.UserRole
_VISIBLE_ROWS = 7
_LEAST_WIDTH = 320
_LAST = ("pixels", "regions", "prediction_pixels", "reference_pixels")
"""Columns that are shown behind the others, so that what is asked for most is in sight."""


class _Model(QAbstractTableModel):
    """A data frame as Qt sees it; colours say which class a row is about."""

    def __init__(self, table: pd.DataFrame, colour: Callable[[int], str], units: str) -> None:
        super().__init__()
        self._units = units
        names = [str(name) for name in table.columns]
        self._names = sorted(names, key=lambda name: name in _LAST)
        columns = [table[name].tolist() for name in self._names]
        self._rows: list[tuple[Any, ...]] = list(zip(*columns, strict=True))
        self._colour = colour

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        value, name = self._rows[index.row()][index.column()], self._names[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return shown(value)
        if role == _SORT_ROLE:
            return _sorted_as(value)
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(value, str):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.DecorationRole and name == "label":
            return QColor(self._colour(int(value)))
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return heading(self._names[section], self._units)
        return None


class ResultTable(QTableView):
    """Shows a data frame whose column ``label`` names the class of each row."""

    chosen = Signal(int)
    """The user chose this row of the data frame."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table: pd.DataFrame | None = None
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSortRole(_SORT_ROLE)
        self._model: _Model | None = None
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setWordWrap(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW)
        self.setMinimumSize(_LEAST_WIDTH, _ROW * _VISIBLE_ROWS)
        self.clicked.connect(self._on_clicked)
        self.activated.connect(self._on_clicked)

    def show_table(
        self, table: pd.DataFrame, colour: Callable[[int], str], units: str = ""
    ) -> None:
        """Show a data frame.

        Parameters
        ----------
        table : DataFrame
            With the column ``label``.
        colour : callable
            Gives the colour of a label as ``#rrggbb``.
        units : str
            Of distances whose columns do not name any.
        """
        self.table = table
        self._model = _Model(table, colour, units)
        self._sorted.setSourceModel(self._model)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.resizeColumnsToContents()

    def select_row(self, row: int) -> None:
        """Mark a row of the data frame, without announcing it."""
        if self._model is None:
            return
        index = self._sorted.mapFromSource(self._model.index(row, 0))
        flags = QItemSelectionModel.SelectionFlag
        self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)

    def copy(self) -> None:
        """Put the whole table on the clipboard, as spreadsheets take it, with all digits."""
        if self.table is not None:
            text = self.table.to_csv(index=False, sep="\t", lineterminator="\n")
            QGuiApplication.clipboard().setText(text)

    def _on_clicked(self, index: QModelIndex) -> None:
        self.chosen.emit(self._sorted.mapToSource(index).row())


def _sorted_as(value: Any) -> str | float:
    """Give what a value is sorted by; NaN, which compares with nothing, goes to the end."""
    if isinstance(value, str):
        return value
    return float("inf") if value != value else float(value)
