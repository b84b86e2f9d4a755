"""The question which of several DICOM series shall be opened."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_medseg.io.errors import ReadError
from napari_medseg.io.formats.dicom.series import Series
from napari_medseg.widgets.parts.dialogs import answer_of

_PICTURE = 72


class SeriesDialog(QDialog):
    """A list of series with picture, kind, count and description; one of them is chosen."""

    def __init__(self, found: Sequence[Series], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Open DICOM")
        self._found = list(found)
        self.list = QListWidget()
        self.list.setIconSize(QSize(_PICTURE, _PICTURE))
        self.list.setAccessibleName("Series in this folder")
        for series in self._found:
            self.list.addItem(_item(series))
        self.list.setCurrentRow(0)
        self.list.itemActivated.connect(lambda _: self.accept())
        buttons = QDialogButtonBox()
        buttons.addButton("Open", QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(QLabel(f"This folder holds {len(self._found)} series. Which one?"))
        layout.addWidget(self.list)
        layout.addWidget(buttons)
        self.resize(520, 420)

    @property
    def chosen(self) -> Series:
        """The series that is marked."""
        return self._found[max(self.list.currentRow(), 0)]

    @classmethod
    def ask(cls, found: Sequence[Series], parent: QWidget | None = None) -> Series | None:
        """Show the list and wait; give the series, or None where the person cancelled."""
        dialog = cls(found, parent)
        return answer_of(dialog, lambda: dialog.chosen)


def _item(series: Series) -> QListWidgetItem:
    item = QListWidgetItem("\n".join(filter(None, (series.summary, series.description))))
    item.setTextAlignment(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)
    try:
        item.setIcon(QIcon(_pixmap(series.thumbnail())))
    except ReadError as error:
        item.setToolTip(str(error))
    return item


def _pixmap(picture: NDArray[np.uint8]) -> QPixmap:
    grey = picture.ndim == 2
    colours = np.ascontiguousarray(np.repeat(picture[..., None], 3, axis=2) if grey else picture)
    height, width, _ = colours.shape
    image = QImage(colours.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image.copy()).scaled(
        _PICTURE, _PICTURE, Qt.AspectRatioMode.KeepAspectRatio
    )
