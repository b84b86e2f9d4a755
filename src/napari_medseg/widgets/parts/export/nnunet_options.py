"""What an nnU-Net case needs besides image and labels: a name that no other case has."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGroupBox, QLineEdit

from napari_medseg.io.atomic import SaveError
from napari_medseg.widgets.parts.arrange import form


class NnunetOptions(QGroupBox):
    """The part of the dock Export labels that is about nnU-Net."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__("nnU-Net")
        self.name = QLineEdit()
        self.name.setToolTip("Names the files of this case; do not name the patient here")
        self.setLayout(form(("Case", self.name)))
        self._typed = False
        self.name.textEdited.connect(self._on_edited)

    @property
    def case(self) -> str:
        """The name of the case."""
        return self.name.text().strip()

    def follow(self, dataset: Path) -> None:
        """Propose the next free number in a dataset; a name that was typed stays."""
        if self._typed:
            return
        from napari_medseg.io.formats.nnunet import cases_of

        try:
            taken = set(cases_of(dataset))
        except SaveError:
            taken = set()
        number = next(n for n in range(1, len(taken) + 2) if f"case_{n:03d}" not in taken)
        self.name.setText(f"case_{number:03d}")

    def problem(self) -> str:
        """Say in a sentence why the name cannot be; empty if it can."""
        from napari_medseg.io.formats.nnunet import why_no_case_name

        return why_no_case_name(self.case)

    def _on_edited(self) -> None:
        self._typed = True
        self.changed.emit()
