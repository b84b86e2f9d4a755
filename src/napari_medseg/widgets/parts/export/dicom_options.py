"""What a DICOM-SEG needs besides the labels: its images, what each class is, and whose it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QGroupBox,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
)
from superqt import QElidingLabel

from napari_medseg.io.formats.dicom.seg_writing import SegOptions
from napari_medseg.io.formats.dicom.source import why_no_segmentation
from napari_medseg.session.export.source import Source
from napari_medseg.widgets.parts.export.term_table import TermTable


class DicomOptions(QGroupBox):
    """The part of the dock Export labels that is about DICOM-SEG."""

    source_changed = Signal()

    def __init__(self) -> None:
        super().__init__("DICOM-SEG")
        self.images = QElidingLabel()
        self.folder_button = QPushButton("Folder…")
        self.folder_button.setToolTip("Choose the folder of the DICOM images that were painted on")
        self.terms = TermTable()
        self.deidentify = QCheckBox("Leave the patient out")
        self.deidentify.setToolTip(
            "A pseudonym instead of name and ID, no birth date, dates moved; the same for all "
            "files of a patient on this computer. UIDs stay: they tie the labels to their images"
        )
        self.labelmap = QCheckBox("As one label map (newer archives only)")
        self.labelmap.setToolTip(
            "Smaller and without overlap, but not every archive and viewer knows LABELMAP yet"
        )
        row = QHBoxLayout()
        row.addWidget(self.images, 1)
        row.addWidget(self.folder_button)
        column = QVBoxLayout(self)
        column.addLayout(row)
        for part in (self.terms, self.deidentify, self.labelmap):
            column.addWidget(part)
        self.no_seg = ""
        """Why no DICOM-SEG can belong to the image, where none can."""
        self._known, self._chosen = Source(), Source()
        self.folder_button.clicked.connect(self._on_folder)
        self._show_source()

    @property
    def source(self) -> Source:
        """The DICOM images: those of the image layer, or else the folder that was chosen."""
        return self._known if self._known.kind == "dicom" else self._chosen

    def set_known(self, source: Source) -> None:
        """Take what is known of the image layer."""
        if source.kind == "dicom" and source != self._known:
            self.no_seg = why_no_segmentation(source.files)
        elif source.kind != "dicom":
            self.no_seg = ""
        self._known = source
        self._show_source()

    def choose_folder(self, folder: Path) -> None:
        """Take a folder of DICOM images, as if it had been picked in the dialog."""
        self._chosen = Source("dicom", (folder,))
        self._show_source()
        self.source_changed.emit()

    def show_classes(self, names: Mapping[int, str], colours: Mapping[int, QColor]) -> None:
        """Show these classes, by label value, in these colours."""
        self.terms.show_classes(names, colours)

    def options(self) -> SegOptions:
        """Give what is chosen now."""
        return SegOptions(
            self.labelmap.isChecked(), self.deidentify.isChecked(), self.terms.terms()
        )

    def _show_source(self) -> None:
        known = self._known.kind == "dicom"
        self.folder_button.setVisible(not known)
        files = self.source.files
        self.images.setToolTip(str(files[0].parent if known else files[0]) if files else "")
        if known:
            one = len(files) == 1
            self.images.setText(
                f"Images: {'1 file' if one else f'{len(files)} files'} of the layer"
            )
        elif files:
            self.images.setText(f"Images: the folder “{files[0].name}”")
        else:
            self.images.setText("Choose the folder of the DICOM images.")

    def _on_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of the DICOM images")
        if folder:
            self.choose_folder(Path(folder))
