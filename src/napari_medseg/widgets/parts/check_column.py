"""Check boxes in a table that look as all others of the theme do."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtGui import QPainter
from qtpy.QtWidgets import (
    QCheckBox,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionButton,
    QStyleOptionViewItem,
    QWidget,
)


class CheckColumn(QStyledItemDelegate):
    """Draws the check box of an item as the theme draws a `QCheckBox`.

    A table draws its own in the colours of the palette, which napari's themes leave alone: on a
    dark table it can hardly be seen.

    Parameters
    ----------
    table : QWidget
        The table, whose theme counts.
    """

    def __init__(self, table: QWidget) -> None:
        super().__init__(table)
        self._like = QCheckBox(table)
        self._like.hide()

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw the cell without a box, then the box where it is clicked."""
        cell = QStyleOptionViewItem(option)
        self.initStyleOption(cell, index)
        style, feature = self._like.style(), QStyleOptionViewItem.ViewItemFeature
        box = QStyleOptionButton()
        box.rect = style.subElementRect(
            QStyle.SubElement.SE_ItemViewItemCheckIndicator, cell, option.widget
        )
        cell.features &= ~feature.HasCheckIndicator
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, cell, painter, option.widget)
        checked = cell.checkState == Qt.CheckState.Checked
        box.state = QStyle.StateFlag.State_On if checked else QStyle.StateFlag.State_Off
        if cell.state & QStyle.StateFlag.State_Enabled:
            box.state |= QStyle.StateFlag.State_Enabled
        style.drawPrimitive(QStyle.PrimitiveElement.PE_IndicatorCheckBox, box, painter, self._like)
