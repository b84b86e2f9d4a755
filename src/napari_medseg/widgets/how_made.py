"""The dock How was this made?: the history of labels in words, as a command and as Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Labels
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import (
    QFileDialog,
    QLabel,
    QPlainTextEdit,
)

from napari_medseg.io.notes import NOTE_KEY
from napari_medseg.session.history.inputs import Files, Inputs, find_job, save_job
from napari_medseg.session.history.made import MadeStep, steps_of, title_of, words_of
from napari_medseg.session.history.remake import (
    RESULTS,
    command_of,
    missing_from,
    python_of,
    why_not,
)
from napari_medseg.session.layers.layer_kinds import is_labels_of_user
from napari_medseg.widgets.parts.arrange import form, row
from napari_medseg.widgets.parts.dock import Dock
from napari_medseg.widgets.parts.elided_box import ElidedBox
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton
from napari_medseg.widgets.parts.jobs.gate import JobGate
from napari_medseg.widgets.parts.layer_picker import LayerPicker
from napari_medseg.widgets.parts.messages import small_print

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Layer

_PAINTED = "No method wrote into these labels: all of it was painted, or made elsewhere."
_LINES = 7


class HowMade(Dock):
    """The dock; what it says is worked out in `session.history`.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.
    """

    tab = "History"

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.layer: Labels | None = None
        self.labels = LayerPicker(self.viewer.layers, _is_labels, "No labels yet")
        self.steps = ElidedBox()
        self.steps_name = QLabel("Step")
        self.words = _paragraph()
        self.text = QPlainTextEdit()
        gate = JobGate(self)
        self.command = JobButton("Copy command", self._find, gate)
        self.python = JobButton("Copy Python", self._find, gate)
        self.save = JobButton("Save inputs…", self._save, gate)
        self._known: dict[int, tuple[Inputs, Files]] = {}
        """By identity; the inputs are kept, so that nothing else gets theirs."""
        self._asked: MadeStep | None = None
        self._lay_out()
        self._connect()
        self.choose(None)

    # -- what the user does ---------------------------------------------------------------------

    def choose(self, layer: Labels | None) -> None:
        """Show how a layer was made; by default the selected or topmost labels layer."""
        choices = self.labels.choices
        active = self.viewer.layers.selection.active
        self._follow(layer or (active if active in choices else next(iter(choices), None)))
        self.labels.show_layer(self.layer)
        self.refresh()

    def refresh(self, event: object = None) -> None:
        """Show the history as it is now, the latest step first."""
        made = [] if self.layer is None else steps_of(self.layer)
        with QSignalBlocker(self.steps):
            self.steps.clear()
            for number in range(len(made) - 1, -1, -1):
                self.steps.addItem(f"{number + 1}. {title_of(made[number])}", made[number])
        self._show_step()

    def ask_where_to_save(self) -> str:
        """Let the user name a folder; empty if she would rather not."""
        title = "Save the inputs in a folder"
        return str(QFileDialog.getSaveFileName(self, title, "inputs")[0])

    @property
    def step(self) -> MadeStep | None:
        """The step on display."""
        return self.steps.currentData()

    # -- jobs -----------------------------------------------------------------------------------

    def _find(self) -> AnyJob:
        self._asked = self.step
        return find_job(None if self._asked is None else self._asked.inputs)

    def _save(self) -> AnyJob | None:
        self._asked = step = self.step
        folder = self.ask_where_to_save()
        if not folder or step is None or step.inputs is None:
            return None
        return save_job(step.inputs, Path(folder))

    def _files(self, step: MadeStep, found: Files) -> Files:
        """Give where the inputs lie: as saved here, else as found."""
        return self._known.get(id(step.inputs), (step.inputs, found))[1]

    def _on_found(self, found: Files, python: bool) -> None:
        step = self._asked
        if step is None:
            return
        files = self._files(step, found)
        text = python_of(step, files) if python else command_of(step, files)
        self.text.setPlainText(text)
        QGuiApplication.clipboard().setText(text)
        missing = " and ".join(missing_from(step, files))
        if not missing:
            where = "the array “labels”" if python else f"the folder “{RESULTS}”"
            self.message.done(f"Copied. It makes the same labels again, as {where}.")
        elif step.inputs is not None and step.inputs.image() is not None:
            are = "exist" if missing.endswith("s") else "exists"
            self.message.hint(
                f"Copied, but {missing} {are} only in memory: press Save inputs, then copy again."
            )
        else:
            self.message.hint(f"Copied; put in yourself where {missing} can be found.")

    def _on_saved(self, files: Files) -> None:
        inputs = None if self._asked is None else self._asked.inputs
        if inputs is not None:
            self._known[id(inputs)] = inputs, files
        self.message.done("Saved. Now copy the command or the Python lines.")

    # -- what is shown --------------------------------------------------------------------------

    def _show_step(self) -> None:
        step = self.step
        self.text.clear()
        self.message.hint("")
        reason = _PAINTED if step is None else why_not(step)
        if self.layer is None:
            reason = "Make or open labels first."
        sentences = words_of(step) if step is not None else [reason]
        self.words.setText("\n\n".join(sentences))
        for button in (self.command, self.python):
            button.set_missing(reason)
        gone = step is not None and (step.inputs is None or step.inputs.image() is None)
        closed = "The image is not open any more; open it and the examples from their files."
        self.save.set_missing(reason or (closed if gone else ""))
        for widget in (self.steps_name, self.steps):
            widget.setVisible(self.steps.count() > 0)

    def _follow(self, layer: Labels | None) -> None:
        if self.layer is not None:
            self.layer.events.paint.disconnect(self.refresh)
            self.layer.events.set_data.disconnect(self._on_drawn)
        self.layer = layer
        if layer is not None:
            layer.events.paint.connect(self.refresh)
            layer.events.set_data.connect(self._on_drawn)

    def _on_drawn(self, event: object = None) -> None:
        """Look whether a step was undone or redone, of which there is no other sign."""
        if self.layer is not None and len(steps_of(self.layer)) != self.steps.count():
            self.refresh()

    # -- layout and wiring ----------------------------------------------------------------------

    def _lay_out(self) -> None:
        for button, tip in (
            (self.command, "Copy the command that makes it again"),
            (self.python, "Copy the Python lines that make it again"),
            (self.save, "Save the image, where it is in no file, and the examples"),
        ):
            button.set_idle(button.title, tip)
        self.text.setReadOnly(True)
        self.text.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self.text.setPlaceholderText("What was copied stands here.")
        self.text.setMinimumHeight(_LINES * self.fontMetrics().lineSpacing())
        buttons = row(self.command, self.python, self.save)
        which = form(("Labels", self.labels), (self.steps_name, self.steps))
        self.put(which, self.words, buttons, self.text, tall=self.text)

    def _connect(self) -> None:
        self.labels.picked.connect(self.choose)
        self.steps.currentIndexChanged.connect(lambda _: self._show_step())
        self.command.succeeded.connect(lambda files: self._on_found(files, python=False))
        self.python.succeeded.connect(lambda files: self._on_found(files, python=True))
        self.save.succeeded.connect(self._on_saved)
        self.follow(self.command, self.python, self.save)
        layers = self.viewer.layers
        layers.events.removed.connect(self._on_layers)
        layers.selection.events.active.connect(self._on_active)

    def _on_layers(self, event: object = None) -> None:
        if self.layer not in self.viewer.layers:
            self.choose(None)

    def _on_active(self, event: object = None) -> None:
        active = self.viewer.layers.selection.active
        if active in self.labels.choices and active is not self.layer:
            self.choose(active)

    def let_go(self) -> None:
        """Leave nothing of the dock behind in the viewer; its own widgets may be gone already."""
        self._follow(None)
        layers = self.viewer.layers
        layers.events.removed.disconnect(self._on_layers)
        layers.selection.events.active.disconnect(self._on_active)
        self.labels.disconnect_layers()


def _is_labels(layer: Layer) -> bool:
    """Tell whether a method may have written into a layer: the clusters on display count, too."""
    return is_labels_of_user(layer) or (isinstance(layer, Labels) and NOTE_KEY in layer.metadata)


def _paragraph() -> QLabel:
    label = small_print()
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
