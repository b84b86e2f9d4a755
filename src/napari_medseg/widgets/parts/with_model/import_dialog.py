"""The question what a checkpoint is for: its report and a card to fill in."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_medseg.session.with_model.card_draft import CardDraft
from napari_medseg.widgets.parts.arrange import form
from napari_medseg.widgets.parts.choices import choice_box
from napari_medseg.widgets.parts.dialogs import answer_of
from napari_medseg.widgets.parts.messages import Message
from napari_medseg.zoo.inspection import Inspection

_FITS = {"the whole plane, resized": "resize", "tiles at the image's resolution": "tile"}
_COLOURS = {"grey": (1, "rgb"), "colours, red first": (3, "rgb"), "colours, blue first": (3, "bgr")}
_SCALINGS = {
    "percentiles of the image": "percentile",
    "raw values from … to …": "window",
    "8-bit, divided by 255": "divide",
}
_WIDE = 1e7


class ImportDialog(QDialog):
    """Shows whether a file fits its net and asks for what no file says.

    Parameters
    ----------
    found : Inspection
        The file.
    """

    def __init__(self, found: Inspection, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Import {found.path.name}")
        self._start = CardDraft.suggested(found)
        self.verdict = Message()
        if found.report.fits:
            self.verdict.hint(self._start.verdict)
        else:
            self.verdict.problem(self._start.verdict.removeprefix("⚠ "))
        self.listing = QPlainTextEdit(self._start.listing)
        self.listing.setReadOnly(True)
        self.listing.setVisible(not found.report.fits)
        self.name, self.title = QLineEdit(), QLineEdit()
        self.classes, self.modalities = QLineEdit(), QLineEdit()
        self.description, self.not_for, self.licence = QLineEdit(), QLineEdit(), QLineEdit()
        self.fit, self.colours = choice_box(_FITS), choice_box(_COLOURS)
        self.scaling = choice_box(_SCALINGS)
        self.height_box, self.width_box = _side(), _side()
        self.low, self.high = _value(), _value()
        self.message = Message()
        self.buttons = QDialogButtonBox()
        self.import_button = self.buttons.addButton(
            "Import", QDialogButtonBox.ButtonRole.AcceptRole
        )
        self.buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        self._fill_in()
        self._lay_out()
        self._connect()
        self._refresh()
        self.resize(560, 480)

    @classmethod
    def ask(cls, found: Inspection, parent: QWidget | None = None) -> CardDraft | None:
        """Show the dialog and wait; None where the person would rather not."""
        dialog = cls(found, parent)
        return answer_of(dialog, dialog.draft)

    def draft(self) -> CardDraft:
        """Give what is filled in now."""
        told: dict[str, Any] = {
            "name": self.name.text().strip(),
            "title": self.title.text().strip() or self.name.text().strip(),
            "modalities": _parts(self.modalities),
            "description": self.description.text().strip(),
            "not_for": self.not_for.text().strip(),
            "licence": self.licence.text().strip(),
        }
        if not self._start.needs_examples:
            told |= {"classes": _parts(self.classes), "input": self._input()}
        return CardDraft(self._start.found, {**self._start.fields, **told})

    def _input(self) -> dict[str, Any]:
        channels, order = self.colours.currentData()
        kind = self.scaling.currentData()
        scaling: dict[str, Any] = {"kind": kind}
        if kind == "divide":
            scaling["by"] = 255
        elif kind == "window":
            scaling |= {"low": self.low.value(), "high": self.high.value()}
        return {
            **self._start.fields.get("input", {}),
            "size": [self.height_box.value(), self.width_box.value()],
            "fit": self.fit.currentData(),
            "channels": channels,
            "order": order,
            "scaling": scaling,
        }

    def _fill_in(self) -> None:
        fields = self._start.fields
        self.name.setText(fields["name"])
        self.title.setText(fields.get("title", ""))
        self.classes.setText(", ".join(fields.get("classes", ())))
        self.modalities.setText(", ".join(fields.get("modalities", ())))
        self.description.setText(fields.get("description", ""))
        self.not_for.setText(fields.get("not_for", ""))
        self.licence.setText(fields.get("licence", ""))
        for line in (self.description, self.not_for, self.licence, self.title):
            line.setCursorPosition(0)
        stated = fields.get("input", {})
        height, width = stated.get("size", (256, 256))
        self.height_box.setValue(int(height))
        self.width_box.setValue(int(width))
        _choose(self.fit, stated.get("fit", "resize"))
        _choose(self.colours, (int(stated.get("channels", 1)), stated.get("order", "rgb")))
        scaling = stated.get("scaling", {})
        _choose(self.scaling, scaling.get("kind", "percentile"))
        self.low.setValue(float(scaling.get("low", -125.0)))
        self.high.setValue(float(scaling.get("high", 275.0)))

    def _lay_out(self) -> None:
        of_planes = (
            ("Finds, in the net's order", self.classes),
            ("Kinds of images", self.modalities),
            ("Sees", self.fit),
            ("at height × width", _row(self.height_box, QLabel("×"), self.width_box)),
            ("Channels", self.colours),
            ("Values scaled by", _row(self.scaling, self.low, self.high)),
        )
        fields = form(
            ("Name", self.name),
            ("Title", self.title),
            *(() if self._start.needs_examples else of_planes),
            ("What it is for", self.description),
            ("Not for", self.not_for),
            ("Licence", self.licence),
        )
        layout = QVBoxLayout(self)
        layout.addWidget(self.verdict)
        layout.addWidget(self.listing, 1)
        layout.addLayout(fields)
        layout.addWidget(self.message)
        layout.addStretch()
        layout.addWidget(self.buttons)

    def _connect(self) -> None:
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        for line in (self.name, self.title, self.classes, self.modalities, self.licence):
            line.textChanged.connect(self._refresh)
        for box in (self.fit, self.colours, self.scaling):
            box.currentIndexChanged.connect(self._refresh)
        for number in (self.height_box, self.width_box, self.low, self.high):
            number.valueChanged.connect(self._refresh)

    def _refresh(self, *_: object) -> None:
        for box in (self.low, self.high):
            box.setVisible(self.scaling.currentData() == "window")
        draft = self.draft()
        problem = draft.problem()
        self.import_button.setEnabled(not problem)
        self.import_button.setToolTip(problem or "Check the weights once more and install them")
        if problem and draft.found.report.fits:
            self.message.problem(problem)
        elif not problem and draft.replaces():
            self.message.hint(f"The model “{draft.fields['name']}” that is here will be replaced.")
        else:
            self.message.hint("")
        if not draft.needs_examples and not problem:
            self.classes.setToolTip("Names with commas between, the background left out")


def _parts(line: QLineEdit) -> tuple[str, ...]:
    return tuple(part.strip() for part in line.text().split(",") if part.strip())


def _choose(box: QComboBox, value: object) -> None:
    values = [box.itemData(index) for index in range(box.count())]
    box.setCurrentIndex(values.index(value) if value in values else 0)


def _side() -> QSpinBox:
    box = QSpinBox()
    box.setRange(16, 4096)
    box.setSuffix(" px")
    return box


def _value() -> QDoubleSpinBox:
    box = QDoubleSpinBox()
    box.setRange(-_WIDE, _WIDE)
    box.setDecimals(1)
    return box


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget, 0 if isinstance(widget, QLabel) else 1)
    layout.setAlignment(Qt.AlignmentFlag.AlignLeft)
    return row
