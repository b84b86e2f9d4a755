"""What most people never need, under the heading Details."""

from __future__ import annotations

from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QWidget
from superqt import QCollapsible

_OPEN, _SHUT = "▾  Details", "▸  Details"


class FoldedDetails(QCollapsible):
    """Folds its choices away; an arrow in the colour of the theme says which way."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_SHUT, parent, expandedIcon=QIcon(), collapsedIcon=QIcon())
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.toggled.connect(lambda is_open: self.setText(_OPEN if is_open else _SHUT))
