"""The classes: colour, name, how many examples show each; the chosen one is painted with."""

from __future__ import annotations

from collections.abc import Callable, Collection

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_medseg.session.by_example.examples import Examples
from napari_medseg.session.layers.colours import colour_of
from napari_medseg.widgets.parts.check_column import CheckColumn

_ROW = 24
_NAME, _COUNT, _LOCK = 0, 1, 2
_OPEN_TIP = "Click to lock this class: neither brush nor prediction will change it"
_LOCKED_TIP = "Locked: neither brush nor prediction changes this class. Click to open it"


class ClassTable(QWidget):
    """Shows and changes the classes of a set of examples.

    Parameters
    ----------
    examples : Examples
        Whose classes they are.
    parent : QWidget, optional
        Where it belongs.
    why_needed : callable, optional
        Says why a class, given by its label value, must not be removed, beside what the examples
        say; empty if it may.
    """

    chosen = Signal(int)
    """The user wants to paint with this label value."""
    lock_toggled = Signal(int, bool)
    """The user locks the class with this label value, or opens it."""
    problem = Signal(str)

    def __init__(
        self,
        examples: Examples,
        parent: QWidget | None = None,
        why_needed: Callable[[int], str] = lambda value: "",
    ) -> None:
        super().__init__(parent)
        self._examples, self._why_needed = examples, why_needed
        self._new = 0  # the class that was just added, until it has its name
        self._locked: frozenset[int] = frozenset()
        self._lockable = False
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["Class", "Examples", "Locked"])
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(_ROW)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(_NAME, QHeaderView.ResizeMode.Stretch)
        for column in (_COUNT, _LOCK):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setItemDelegateForColumn(_LOCK, CheckColumn(self.table))
        self.table.setToolTip("Double-click a name to change it")
        self.add_button = _small_button("+", "Add one more class to paint")
        self.remove_button = _small_button("−", "Remove the chosen class")
        buttons = QVBoxLayout()
        buttons.setSpacing(2)
        buttons.addWidget(self.add_button)
        buttons.addWidget(self.remove_button)
        buttons.addStretch()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.table)
        row.addLayout(buttons)
        # Room that a tall window has to spare is not for the gap around a short table.
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.add_button.clicked.connect(self._on_add)
        self.remove_button.clicked.connect(self._on_remove)
        self.table.itemChanged.connect(self._on_item_changed)
        self.table.itemDelegate().closeEditor.connect(self._on_editor_closed)
        self.table.itemSelectionChanged.connect(self._on_selection_changed)
        examples.classes_changed.connect(self.refresh)
        examples.changed.connect(self.refresh)
        self.refresh()
        self.select(1)

    @property
    def value(self) -> int:
        """The label value of the chosen class."""
        return self.table.currentRow() + 1

    def select(self, value: int) -> None:
        """Show a class as the chosen one, without announcing it."""
        if 1 <= value <= self.table.rowCount():
            with QSignalBlocker(self.table):
                self.table.selectRow(value - 1)
            self._refresh_buttons()

    def show_locks(self, values: Collection[int], lockable: bool) -> None:
        """Show which classes are locked, and whether there are labels to lock them in."""
        self._locked, self._lockable = frozenset(values), lockable
        self.refresh()

    def refresh(self) -> None:
        """Take over the classes as they are now."""
        row = max(self.table.currentRow(), 0)
        names = self._examples.class_names[1:]
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(names))
            for index, name in enumerate(names):
                self._show_row(index, name)
            self.table.selectRow(min(row, len(names) - 1))
        rows = min(max(len(names), 1), 4)
        self.table.setFixedHeight(
            self.table.horizontalHeader().sizeHint().height() + rows * _ROW + 10
        )
        self._refresh_buttons()

    def _show_row(self, row: int, name: str) -> None:
        value = row + 1
        swatch = QPixmap(14, 14)
        swatch.fill(QColor(colour_of(value)))
        icon = QIcon(swatch)
        icon.addPixmap(swatch, QIcon.Mode.Selected)
        named = QTableWidgetItem(icon, name)
        count = QTableWidgetItem(str(self._examples.count(value)))
        count.setFlags(count.flags() & ~Qt.ItemFlag.ItemIsEditable)
        count.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
        self.table.setItem(row, _NAME, named)
        self.table.setItem(row, _COUNT, count)
        self.table.setItem(row, _LOCK, self._lock_item(value))

    def _lock_item(self, value: int) -> QTableWidgetItem:
        locked = value in self._locked
        item = QTableWidgetItem()
        item.setFlags(Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable)
        if self._lockable:
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEnabled)
        item.setCheckState(Qt.CheckState.Checked if locked else Qt.CheckState.Unchecked)
        tip = _LOCKED_TIP if locked else _OPEN_TIP
        item.setToolTip(tip if self._lockable else "Press New labels first.")
        return item

    def _refresh_buttons(self) -> None:
        reason = self._examples.why_not_removable(self.value)
        self.remove_button.setEnabled(not reason)
        self.remove_button.setToolTip(reason or "Remove the chosen class")

    def _on_add(self) -> None:
        value = self._examples.add_class()
        self.select(value)
        self.chosen.emit(value)
        self._new = value
        self.table.editItem(self.table.item(value - 1, _NAME))

    def _on_remove(self) -> None:
        reason = self._why_stays(self.value)
        if reason:
            self.problem.emit(reason)
        else:
            self._remove(self.value)

    def _why_stays(self, value: int) -> str:
        return self._examples.why_not_removable(value) or self._why_needed(value)

    def _remove(self, value: int) -> None:
        self._examples.remove_class(value)
        self.chosen.emit(self.value)

    def _on_item_changed(self, item: QTableWidgetItem) -> None:
        value = item.row() + 1
        if item.column() == _LOCK:
            self.lock_toggled.emit(value, item.checkState() == Qt.CheckState.Checked)
        elif item.column() == _NAME:
            is_new, self._new = value == self._new, 0
            try:
                self._examples.rename_class(value, item.text())
            except ValueError as error:
                self.problem.emit(str(error))
                if is_new and not self._why_stays(value):
                    self._remove(value)
            self.refresh()

    def _on_editor_closed(self) -> None:
        self._new = 0

    def _on_selection_changed(self) -> None:
        self._new = 0
        if self.table.currentRow() >= 0:
            self._refresh_buttons()
            self.chosen.emit(self.value)


def _small_button(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setFixedSize(_ROW, _ROW)
    return button
