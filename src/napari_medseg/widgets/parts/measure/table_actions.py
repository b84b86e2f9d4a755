"""What can be done with a table of results: copy it, save it."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_medseg.session.measurement import save_table_job
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton
from napari_medseg.widgets.parts.measure.result_table import ResultTable
from napari_medseg.widgets.parts.messages import Message


class TableActions(QWidget):
    """The buttons Copy and Save CSV below a table.

    Parameters
    ----------
    table : ResultTable
        Which table.
    file_name : str
        What the file is called unless the user says otherwise.
    message : Message
        Where it is told how it went.
    """

    def __init__(
        self, table: ResultTable, file_name: str, message: Message, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._table, self._file_name, self._message = table, file_name, message
        self.copy_button = QPushButton("Copy")
        self.save = JobButton("Save CSV…", self._make_save)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.copy_button)
        row.addWidget(self.save)
        self.copy_button.clicked.connect(self._copy)
        self.save.succeeded.connect(lambda path: message.done(f"Saved as “{path.name}”."))
        self.save.failed.connect(message.problem)
        self.refresh()

    def refresh(self) -> None:
        """Enable the buttons if there is a table."""
        missing = "" if self._table.table is not None else "There is no table yet."
        self.copy_button.setEnabled(not missing)
        self.copy_button.setToolTip(missing or "Copy the table, to paste it into a spreadsheet")
        self.save.set_idle("Save CSV…", "Save the table for a spreadsheet, with all its digits")
        self.save.set_missing(missing)

    def ask_where_to_save(self) -> str:
        """Let the user name a file; empty if she would rather not."""
        title, kinds = "Save the table", "Tables (*.csv)"
        return str(QFileDialog.getSaveFileName(self, title, self._file_name, kinds)[0])

    def _copy(self) -> None:
        self._table.copy()
        self._message.done("The table is copied: paste it into a spreadsheet.")

    def _make_save(self) -> AnyJob | None:
        name = self.ask_where_to_save()
        if not name or self._table.table is None:
            return None
        path = Path(name)
        return save_table_job(self._table.table, path if path.suffix else path.with_suffix(".csv"))
