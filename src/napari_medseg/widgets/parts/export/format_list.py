"""The list of formats that labels leave in: what suits the image first, what cannot be greyed."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtGui import QStandardItemModel
from qtpy.QtWidgets import QComboBox

from napari_medseg.io.label_formats import FORMATS, NIFTI, LabelFormat, suited, why_not


class FormatList(QComboBox):
    """Keeps the format that a person picked, as long as it can be; else takes the first one."""

    picked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._was_picked = False
        self.activated.connect(self._on_activated)

    @property
    def format(self) -> LabelFormat:
        """What is chosen."""
        return FORMATS[self.currentData() or NIFTI.key]

    def choose(self, format_: LabelFormat) -> None:
        """Choose a format, as if it had been picked."""
        self.setCurrentIndex(self.findData(format_.key))
        self._on_activated()

    def show_suited(self, ndim: int, kind: str, has_image: bool, no_seg: str = "") -> None:
        """List the formats for labels of so many axes on an image of a kind.

        Those that cannot be come last; `no_seg` says why DICOM-SEG cannot.
        """
        chosen = self.currentData()
        # The folder of DICOM images can be chosen once DICOM-SEG is.
        reasons = {f: why_not(f, ndim, True, has_image, no_seg) for f in suited(ndim, kind)}
        with QSignalBlocker(self):
            self.clear()
            for format_ in sorted(reasons, key=lambda f: bool(reasons[f])):
                self.addItem(format_.title, format_.key)
                self._enable(format_, reasons[format_])
            row = self.findData(chosen)
            usable = self._was_picked and row >= 0 and self._model().item(row).isEnabled()
            self.setCurrentIndex(row if usable else 0)

    def _enable(self, format_: LabelFormat, reason: str) -> None:
        item = self._model().item(self.count() - 1)
        item.setEnabled(not reason)
        item.setToolTip(reason or format_.purpose)

    def _model(self) -> QStandardItemModel:
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        return model

    def _on_activated(self) -> None:
        self._was_picked = True
        self.picked.emit()
