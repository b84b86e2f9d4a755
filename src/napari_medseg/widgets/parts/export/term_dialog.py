"""Asking for a code that the table of terms does not hold."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from napari_medseg.io.formats.dicom.terms import CATEGORIES, ClassTerm, custom_term
from napari_medseg.widgets.parts.arrange import fill, form
from napari_medseg.widgets.parts.dialogs import answer_of


class TermDialog(QDialog):
    """One coded term: category, scheme, code and meaning; OK only where a file can hold it.

    Parameters
    ----------
    name : str
        Of the class that it is for.
    start : ClassTerm
        What the fields show first.
    parent : QWidget, optional
        Over which it opens.
    """

    def __init__(self, name: str, start: ClassTerm, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(f"Code of “{name}”")
        self.category = QComboBox()
        for category in CATEGORIES:
            self.category.addItem(category.meaning, category)
        known = [category.value for category in CATEGORIES]
        if start.category.value in known:
            self.category.setCurrentIndex(known.index(start.category.value))
        self.scheme = QLineEdit(start.type.scheme)
        self.scheme.setToolTip("SCT is SNOMED CT; DCM is DICOM's own list; 99… is a private one")
        self.code = QLineEdit(start.type.value)
        self.meaning = QLineEdit(start.type.meaning)
        self.problem = QLabel()
        self.problem.setWordWrap(True)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        self._lay_out()
        for line in (self.scheme, self.code, self.meaning):
            line.textChanged.connect(self._check)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._check()

    @property
    def term(self) -> ClassTerm:
        """What is written there.

        Raises
        ------
        ValueError
            With one sentence, where a file could not hold it.
        """
        return custom_term(
            self.category.currentData(), self.scheme.text(), self.code.text(), self.meaning.text()
        )

    @classmethod
    def ask(cls, name: str, start: ClassTerm, parent: QWidget | None = None) -> ClassTerm | None:
        """Ask, and give the term; None where the person thought better of it."""
        dialog = cls(name, start, parent)
        return answer_of(dialog, lambda: dialog.term)

    def _lay_out(self) -> None:
        fields = form(
            ("Category", self.category),
            ("Scheme", self.scheme),
            ("Code", self.code),
            ("Meaning", self.meaning),
        )
        fill(QVBoxLayout(self), fields, self.problem, self.buttons)
        self.setMinimumWidth(360)

    def _check(self) -> None:
        try:
            _ = self.term
        except ValueError as error:
            self.problem.setText(str(error))
        else:
            self.problem.setText("")
        ok = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        ok.setEnabled(not self.problem.text())
