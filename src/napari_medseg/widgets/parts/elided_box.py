"""A list to choose from that shows with dots where its entry is cut off."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import (
    QComboBox,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

_PADDING = 2
"""Pixels that a theme leaves free beside the text."""


class ElidedBox(QComboBox):
    """Never widens a dock; `elide` says where a name is cut that is too long for it."""

    elide = Qt.TextElideMode.ElideRight

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    @property
    def shown_text(self) -> str:
        """What of the entry there is room for."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        room = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        chosen = self.currentIndex() >= 0
        text = self.currentText() if chosen else self.placeholderText()
        return self.fontMetrics().elidedText(text, self.elide, room.width() - _PADDING)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw it as the theme does, with as much of the text as there is room for."""
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        option.currentText = self.shown_text
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
