"""What most people never need, under the heading Details."""

from __future__ import annotations

from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QSizePolicy, QWidget
from superqt import QCollapsible

from napari_medseg.widgets.parts.arrange import form, held

_OPEN, _SHUT = "▾  Details", "▸  Details"


class FoldedDetails(QCollapsible):
    """Folds its choices away; an arrow in the colour of the theme says which way."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_SHUT, parent, expandedIcon=QIcon(), collapsedIcon=QIcon())
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.toggled.connect(lambda is_open: self.setText(_OPEN if is_open else _SHUT))

    def put(self, *rows: tuple[str, QWidget]) -> None:
        """Put choices under the heading; one with a name before it takes what width there is."""
        for name, widget in rows:
            if name:
                widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.addWidget(held(form(*rows)))
