"""The dock Export labels: hand labels on as a file that was read back and compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QUrl
from qtpy.QtGui import QColor, QDesktopServices
from qtpy.QtWidgets import QLabel, QMessageBox, QPushButton

from napari_medseg.io import label_formats as formats
from napari_medseg.io.label_formats import LabelFormat, why_not
from napari_medseg.session.export.chosen import ToExport
from napari_medseg.session.export.jobs import Exported, export_job, export_of
from napari_medseg.session.export.moment import Moment, holds_all_paint
from napari_medseg.session.export.source import Source, source_of
from napari_medseg.session.layers.colours import hex_colour
from napari_medseg.session.layers.layer_kinds import is_image, is_labels_of_user
from napari_medseg.widgets.parts.arrange import form
from napari_medseg.widgets.parts.dock import Dock
from napari_medseg.widgets.parts.export.dicom_options import DicomOptions
from napari_medseg.widgets.parts.export.format_list import FormatList
from napari_medseg.widgets.parts.export.nnunet_options import NnunetOptions
from napari_medseg.widgets.parts.export.save_target import SaveTarget
from napari_medseg.widgets.parts.export.words import as_file_name, class_names_of, question_of
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton
from napari_medseg.widgets.parts.keeper.label_keeper import LabelKeeper
from napari_medseg.widgets.parts.layer_picker import LayerPicker
from napari_medseg.widgets.parts.messages import small_print

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image, Labels

_NO_LABELS = "Make or open labels first."


class ExportLabels(Dock):
    """The dock; what it writes is decided in `session.export`.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.
    """

    tab = "Export"

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.labels = LayerPicker(self.viewer.layers, is_labels_of_user, "No labels yet")
        self.images = LayerPicker(self.viewer.layers, is_image, "No image")
        self.format = FormatList()
        self.purpose = small_print()
        self.dicom = DicomOptions()
        self.nnunet = NnunetOptions()
        self.target = SaveTarget()
        self.plan = small_print()
        self.button = JobButton("Export", self._job)
        self.folder_button = QPushButton("Open folder")
        self.folder_button.setToolTip("Show the file in the file manager")
        self.folder_button.hide()
        self._labels: Labels | None = None
        self._image: Image | None = None
        self._moments: list[Moment | None] = []
        self._written: Path | None = None
        self._note_saved: Callable[[], None] = lambda: None
        self._lay_out()
        self._connect()
        self._choose_labels(None)

    # -- what the user does ---------------------------------------------------------------------

    def set_format(self, format_: LabelFormat) -> None:
        """Choose a format, as if it had been picked from the list."""
        self.format.choose(format_)

    def open_folder(self) -> None:
        """Show what was written last in the file manager."""
        if self._written is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._written.parent)))

    def _job(self) -> AnyJob | None:
        """Take a snapshot and give the job; None where the user does not want to replace a file.

        Raises
        ------
        ValueError
            With a sentence, where there is nothing to write.
        """
        missing, shown = self._missing(self.format.format), self._chosen.labels_shown
        if missing or self._labels is None or shown is None:
            raise ValueError(missing)
        export = export_of(shown, self._chosen.image_shown)
        if self._source().kind == "dicom":
            export = replace(export, source=self._source())
        saved = LabelKeeper.of(self.viewer).to_be_saved(self._labels)
        self._note_saved = saved if holds_all_paint(shown, self._labels) else lambda: None
        format_, target, case = self.format.format, self.target.path, self.nnunet.case
        question = question_of(format_, target, case)
        if question and not self._agreed(question):
            return None
        return export_job(export, format_, target, seg=self.dicom.options(), case=case)

    def _agreed(self, question: str) -> bool:
        """Ask whether something that is there may be replaced."""
        answer = QMessageBox.question(self, "Export labels", question)
        return answer == QMessageBox.StandardButton.Yes

    # -- what is shown --------------------------------------------------------------------------

    def refresh(self, event: object = None) -> None:
        """Show what would be written now, and say what is missing."""
        format_ = self.format.format
        self.purpose.setText(format_.purpose[:1].upper() + format_.purpose[1:] + ".")
        self.dicom.setVisible(format_ is formats.DICOM_SEG)
        self.nnunet.setVisible(format_ is formats.NNUNET)
        self.target.set_format(format_)
        self.nnunet.follow(self.target.path)
        chosen = self._chosen
        self.plan.setText(chosen.why_unsuited() or chosen.plan())
        self.button.set_missing(self._missing(format_))
        if self._labels is None or self._written is None or self.message.text() == _NO_LABELS:
            self.message.hint(_NO_LABELS if self._labels is None else "")

    def _missing(self, format_: LabelFormat) -> str:
        if self._labels is None:
            return _NO_LABELS
        unsuited = self._chosen.why_unsuited()
        if unsuited:
            return unsuited
        has_dicom = self._source().kind == "dicom"
        has_image, no_seg = self._image is not None, self.dicom.no_seg
        reason = why_not(format_, self._chosen.n_axes, has_dicom, has_image, no_seg)
        if not reason and format_ is formats.NNUNET:
            reason = self.nnunet.problem()
        reason = reason or self.target.problem()
        if not reason and self._source().holds(self.target.path):
            reason = "This file is the image itself: give the labels another name."
        return reason

    def _list_formats(self) -> None:
        kind, has_image = self._source().kind, self._image is not None
        self.format.show_suited(self._chosen.n_axes, kind, has_image, self.dicom.no_seg)

    # -- which layers ---------------------------------------------------------------------------

    @property
    def _chosen(self) -> ToExport:
        return ToExport(self._labels, self._image, self.viewer.dims)

    def _choose_labels(self, labels: Labels | None) -> None:
        """Turn to these labels, or to the selected or topmost ones, and to the image they fit."""
        choices = self.labels.choices
        active = self.viewer.layers.selection.active
        first = active if active in choices else next(iter(choices), None)
        chosen = labels if labels is not None else first
        if chosen is not self._labels:
            self.target.turn_to_others()
        self._labels = chosen
        self.labels.show_layer(self._labels)
        self._choose_image(self._chosen.image_among(self.images.choices))

    def _choose_image(self, image: Image | None) -> None:
        self._image = image
        self.images.show_layer(image)
        self._turn_to_moment()
        self._list_formats()
        names = class_names_of(self._labels)
        self.dicom.show_classes(names, {value: self._colour(value) for value in names})
        self._suggest()
        self.refresh()

    def _colour(self, value: int) -> QColor:
        assert self._labels is not None  # there are no classes without labels
        return QColor(hex_colour(self._labels, value))

    def _source(self) -> Source:
        found = self.dicom.source
        if found.kind == "dicom" or self._image is None:
            return found
        return source_of(self._image)

    def _suggest(self) -> None:
        """Propose a name; of DICOM images none that could name the patient."""
        source, suffix = self._source(), self._chosen.suffix
        if source.kind == "dicom" or self._labels is None:
            self.target.suggest(None, f"segmentation{suffix}")
            return
        folder = source.files[0].parent if source.files else None
        self.target.suggest(folder, f"{as_file_name(self._labels.name)}{suffix}")

    # -- layout and wiring ----------------------------------------------------------------------

    def _lay_out(self) -> None:
        what = form(
            ("Labels", self.labels),
            ("Image", self.images),
            ("Format", self.format),
            (QLabel(), self.purpose),
        )
        where = form(("Save as", self.target))
        self.put(what, self.dicom, self.nnunet, where, self.plan, self.button)
        column = self.layout()
        assert column is not None
        column.addWidget(self.folder_button)

    def _connect(self) -> None:
        self.labels.picked.connect(self._choose_labels)
        self.images.picked.connect(self._choose_image)
        self.format.picked.connect(self.refresh)
        self.target.changed.connect(self._on_target_changed)
        self.nnunet.changed.connect(self._on_target_changed)
        self.dicom.source_changed.connect(self._on_source_changed)
        self.follow(self.button)
        self.button.started.connect(self._on_started)
        self.button.succeeded.connect(self._on_written)
        self.button.cancelled.connect(lambda: self.message.hint("Cancelled: nothing was written."))
        self.folder_button.clicked.connect(self.open_folder)
        layers = self.viewer.layers
        layers.events.inserted.connect(self._on_layers)
        layers.events.removed.connect(self._on_layers)
        layers.selection.events.active.connect(self._on_active)
        for moved in (self.viewer.dims.events.point, self.viewer.dims.events.order):
            moved.connect(self._on_slider)

    def _on_target_changed(self) -> None:
        self.nnunet.follow(self.target.path)
        self.button.set_missing(self._missing(self.format.format))

    def _on_source_changed(self) -> None:
        self._list_formats()
        self._suggest()
        self.refresh()

    def _on_layers(self, event: object = None) -> None:
        if self._labels not in self.viewer.layers:
            self._choose_labels(None)
        elif self._image not in self.viewer.layers:
            self._choose_labels(self._labels)

    def _on_active(self, event: object = None) -> None:
        active = self.viewer.layers.selection.active
        if active in self.labels.choices and not self.button.is_running:
            self._choose_labels(active)

    def _on_slider(self, event: object = None) -> None:
        """Turn to another point of time; one that only goes through planes changes nothing."""
        if self._chosen.moments != self._moments:
            self._turn_to_moment()
            self._suggest()
            self.refresh()

    def _turn_to_moment(self) -> None:
        """Take note of the point of time shown, and of the files of the image at that."""
        self._moments, image = self._chosen.moments, self._chosen.image_shown
        self.dicom.set_known(source_of(image) if image is not None else Source())

    def _on_started(self) -> None:
        self.message.hint("")
        self.folder_button.hide()

    def _on_written(self, written: Exported) -> None:
        self._written = written.path
        self.target.note_written()
        self._note_saved()
        told = f"{written.path.name} {written}."
        if written.voxels:
            self.message.done(told)
        else:
            self.message.problem(f"{told} Nothing is painted in these labels.")
        self.folder_button.show()
        self.nnunet.follow(self.target.path)

    def let_go(self) -> None:
        """Leave nothing of the dock behind in the viewer; its own widgets may be gone already."""
        layers = self.viewer.layers
        layers.events.inserted.disconnect(self._on_layers)
        layers.events.removed.disconnect(self._on_layers)
        layers.selection.events.active.disconnect(self._on_active)
        for moved in (self.viewer.dims.events.point, self.viewer.dims.events.order):
            moved.disconnect(self._on_slider)
        self.labels.disconnect_layers()
        self.images.disconnect_layers()
