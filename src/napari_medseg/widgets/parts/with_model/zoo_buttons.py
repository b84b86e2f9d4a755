"""Models come and go: Download, Import, Export, Remove, and a page to read."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QGridLayout,
    QMenu,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)

from napari_medseg.session.with_model.card_draft import CardDraft
from napari_medseg.session.with_model.card_words import page_of
from napari_medseg.session.with_model.zoo_jobs import (
    CHECKPOINTS,
    download_model_job,
    export_job,
    import_folder_job,
    import_job,
    inspect_job,
    remove_job,
    replaced_by_folder,
)
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton
from napari_medseg.widgets.parts.jobs.gate import JobGate
from napari_medseg.widgets.parts.messages import Message
from napari_medseg.widgets.parts.with_model.import_dialog import ImportDialog
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.inspection import Inspection
from napari_medseg.zoo.registry import is_bundled


class ZooButtons(QWidget):
    """Works on the model that is chosen.

    Parameters
    ----------
    message : Message
        Where results are told.
    """

    zoo_changed = Signal(str)
    """A model came or went; with the name of the one to choose, or empty."""

    def __init__(self, message: Message, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._message = message
        self._card: ModelCard | None = None
        self._draft: CardDraft | None = None
        self._gate = gate = JobGate(self)
        self.import_button = QPushButton("Import")
        menu = QMenu(self.import_button)
        menu.addAction("A checkpoint file…", self._import_file)
        menu.addAction("A model folder…", self._import_folder)
        self.import_button.setMenu(menu)
        self.download = JobButton("Download", self._make_download, gate)
        self.export = JobButton("Export…", self._make_export, gate)
        self.remove = JobButton("Remove…", self._make_remove, gate)
        self.page = QPushButton("About…")
        # Not in sight: they are started by the menu, and tell how far they are like the others.
        self.inspect = JobButton("Look into the file", self._make_inspect, gate, self)
        self.install = JobButton("Import", self._make_install, gate, self)
        self.take_folder = JobButton("Import a folder", self._make_take_folder, gate, self)
        for hidden in (self.inspect, self.install, self.take_folder):
            hidden.hide()
        self._path = ""
        self._lay_out()
        self._connect()
        self.show_model(None)

    @property
    def buttons(self) -> tuple[JobButton, ...]:
        """All that run jobs."""
        return (
            self.download,
            self.export,
            self.remove,
            self.inspect,
            self.install,
            self.take_folder,
        )

    def show_model(self, card: ModelCard | None) -> None:
        """Say what can be done with a model."""
        self._card = card
        none = "" if card is not None else "Choose a model first."
        state = card.state if card is not None else ""
        here = none or ("" if state == "present" else "This model is not on this computer yet.")
        there = none or ("" if state != "present" else "This model is on this computer already.")
        if not there and card is not None and not card.source.get("url"):
            there = "This model has no address to download it from: import it again."
        self.download.set_idle("Download", "Fetch the weights, after showing you their terms")
        self.download.set_missing(there)
        self.export.set_idle("Export…", "Write card and weights as a folder, to hand on")
        self.export.set_missing(here)
        gone = none or ("" if card is not None and card.folder else here)
        self.remove.set_idle("Remove…", "Delete this model from this computer; you are asked first")
        if not gone and card is not None and is_bundled(card):
            gone = "This model comes with MedSeg and stays."
        self.remove.set_missing(gone)
        page = page_of(card) if card is not None else ""
        self.page.setEnabled(bool(page))
        self.page.setToolTip(
            "How it was trained, how good it is, where it fails"
            if page
            else none or "This model came without a page to read."
        )

    # -- what is asked ------------------------------------------------------------------------

    def ask_terms(self, card: ModelCard) -> bool:
        """Show the terms of a model; whether the user agrees."""
        text = f"{card.title}\n\nLicence: {card.licence}\n\n{card.source.get('note', '')}"
        return self._confirmed("Terms of use", f"{text.strip()}\n\nDo you agree?")

    def ask_remove(self, card: ModelCard) -> bool:
        """Ask whether a model shall really go."""
        text = (
            f"Delete “{card.title}” from this computer? Its weights are deleted, too, and cannot "
            "be brought back from here. Export it first to keep a copy."
        )
        return self._confirmed("Remove a model", text)

    def ask_replace(self, card: ModelCard) -> bool:
        """Ask whether a model of the same name but other weights shall go for the new one."""
        text = (
            f"“{card.title}” is on this computer with other weights. Replace it? Its weights are "
            "deleted and cannot be brought back from here. Export it first to keep a copy."
        )
        return self._confirmed("Replace a model", text)

    def ask_file(self) -> str:
        """Let the user choose a checkpoint; empty if she would rather not."""
        return str(QFileDialog.getOpenFileName(self, "Import a checkpoint", "", CHECKPOINTS)[0])

    def ask_model_folder(self) -> str:
        """Let the user choose a model folder; empty if she would rather not."""
        return str(QFileDialog.getExistingDirectory(self, "Import a model folder"))

    def ask_where_to_export(self) -> str:
        """Let the user choose a folder; empty if she would rather not."""
        return str(QFileDialog.getExistingDirectory(self, "Export the model into a folder"))

    def ask_card(self, found: Inspection) -> CardDraft | None:
        """Let the user fill in the card of a checkpoint; None if she would rather not."""
        return ImportDialog.ask(found, self)

    # -- jobs -----------------------------------------------------------------------------------

    def _import_file(self) -> None:
        self._path = self.ask_file()
        if self._path:
            self.inspect.start()

    def _import_folder(self) -> None:
        self._path = self.ask_model_folder()
        if self._path:
            self.take_folder.start()

    def _make_download(self) -> AnyJob | None:
        card = self._require_card()
        return download_model_job(card) if self.ask_terms(card) else None

    def _make_inspect(self) -> AnyJob:
        return inspect_job(self._path)

    def _make_install(self) -> AnyJob | None:
        draft, self._draft = self._draft, None
        if draft is None:
            return None
        fields = {key: value for key, value in draft.fields.items() if key != "kind"}
        return import_job(draft.found.path, draft.found.net, draft.found.net_options, fields)

    def _make_take_folder(self) -> AnyJob | None:
        here = replaced_by_folder(self._path)
        if here is not None and not self.ask_replace(here):
            return None
        return import_folder_job(self._path)

    def _make_export(self) -> AnyJob | None:
        card, folder = self._require_card(), self.ask_where_to_export()
        return export_job(card.name, folder) if folder else None

    def _make_remove(self) -> AnyJob | None:
        card = self._require_card()
        return remove_job(card.name) if self.ask_remove(card) else None

    def _on_inspected(self, found: Inspection) -> None:
        self._draft = self.ask_card(found)
        if self._draft is not None:
            self.install.start()

    def _on_arrived(self, card: ModelCard) -> None:
        self._message.done(f"“{card.title}” is on this computer now.")
        self.zoo_changed.emit(card.name)

    def _on_exported(self, folder: Path) -> None:
        self._message.done(f"Written to “{folder}”, and read back to prove it.")

    def _on_removed(self, _: object) -> None:
        self._message.done("Removed.")
        self.zoo_changed.emit("")

    def _show_page(self) -> None:
        if self._card is None:
            return
        dialog = QDialog(self)
        dialog.setWindowTitle(self._card.title)
        text = QTextBrowser()
        text.setOpenExternalLinks(True)
        text.setMarkdown(page_of(self._card))
        close = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        close.rejected.connect(dialog.reject)
        layout = QVBoxLayout(dialog)
        layout.addWidget(text)
        layout.addWidget(close)
        dialog.resize(680, 560)
        dialog.exec()
        dialog.deleteLater()

    # -- wiring ---------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        shown = (self.import_button, self.download, self.page, self.export, self.remove)
        for number, button in enumerate(shown):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            row, column = divmod(number, 3)
            grid.addWidget(button, row, column)

    def _connect(self) -> None:
        self._gate.changed.connect(self._show_gate)
        self._show_gate()
        self.page.clicked.connect(self._show_page)
        for button in self.buttons:
            button.started.connect(lambda: self._message.hint(""))
            button.cancelled.connect(lambda: self._message.hint("Cancelled: nothing was changed."))
        for arriving in (self.download, self.install, self.take_folder):
            arriving.succeeded.connect(self._on_arrived)
        self.inspect.succeeded.connect(self._on_inspected)
        self.export.succeeded.connect(self._on_exported)
        self.remove.succeeded.connect(self._on_removed)

    def _show_gate(self) -> None:
        other = self._gate.holder
        self.import_button.setEnabled(other is None)
        self.import_button.setToolTip(
            "Bring in a checkpoint, or a model that somebody exported"
            if other is None
            else f"Wait until “{other.title}” is done, or cancel it."
        )

    def _require_card(self) -> ModelCard:
        if self._card is None:
            raise ValueError("Choose a model first.")
        return self._card

    def _confirmed(self, title: str, text: str) -> bool:
        answers = QMessageBox.StandardButton
        given = QMessageBox.question(self, title, text, answers.Yes | answers.No, answers.No)
        return bool(given == answers.Yes)
