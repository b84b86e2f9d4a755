"""A part of a form under a heading that folds it away."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QSizePolicy, QToolButton, QVBoxLayout, QWidget


class Fold(QWidget):
    """A heading, and under it what can be folded away; its height follows what is inside.

    Parameters
    ----------
    title : str
        The heading.
    inside : QWidget
        What is folded away, at first.
    """

    toggled = Signal(bool)

    def __init__(self, title: str, inside: QWidget) -> None:
        super().__init__()
        self.inside = inside
        self.heading = QToolButton()
        self.heading.setText(title)
        self.heading.setCheckable(True)
        self.heading.setAutoRaise(True)
        self.heading.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.heading.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.heading)
        column.addWidget(inside)
        self.heading.toggled.connect(self._show)
        self._show(False)

    @property
    def is_open(self) -> bool:
        """Whether what is inside is in sight."""
        return self.heading.isChecked()

    def open(self, wanted: bool = True) -> None:
        """Open it, or fold it away."""
        self.heading.setChecked(wanted)

    def _show(self, wanted: bool) -> None:
        arrow = Qt.ArrowType.DownArrow if wanted else Qt.ArrowType.RightArrow
        self.heading.setArrowType(arrow)
        self.inside.setVisible(wanted)
        self.toggled.emit(wanted)
