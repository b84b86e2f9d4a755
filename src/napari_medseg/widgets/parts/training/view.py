"""How a training goes: curves, words, pictures, and what can be done with it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import (
    QGridLayout,
    QGroupBox,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from medseg_training.words import PHASES, state_words
from napari_medseg.session.training import runs
from napari_medseg.session.training.runs import RunFollower
from napari_medseg.widgets.parts.elided_box import ElidedBox
from napari_medseg.widgets.parts.messages import small_print
from napari_medseg.widgets.parts.training.curves import TrainingCurves

_INTERVAL_MS = 500
_PATIENCE_MS = 20_000
_PICTURE_HEIGHT = 180


class TrainingView(QGroupBox):
    """Follows one run at a time; the list of runs tells which.

    Parameters
    ----------
    folder : Path
        Where the runs are.
    """

    ended = Signal(str)
    """The run on display came to an end; with its phase."""
    resume_asked = Signal()
    add_asked = Signal()
    report_asked = Signal()

    def __init__(self, folder: Path, parent: QWidget | None = None) -> None:
        super().__init__("Runs", parent)
        self.folder = folder
        self.run: RunFollower | None = None
        self.runs = ElidedBox()
        self.runs.setPlaceholderText("No training yet")
        self.runs.setToolTip("Trainings on this computer, the latest first")
        self.other = ElidedBox()
        self.other.setToolTip("Draw the curves of another training beside these, dashed")
        self.curves = TrainingCurves()
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m steps")
        self.words = small_print()
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.stop_button = _button("Stop", "Finish the step, save, and end; it can be resumed")
        self.resume_button = _button("Resume", "Go on from the last checkpoint")
        self.add_button = _button("Add to my models", "Make the best weights a model of the docks")
        self.report_button = _button(
            "How good is it?",
            "Measure it on its validation cases, beside the model it began with, if any",
        )
        self.folder_button = _button("Open folder", "Log, checkpoints and the checked values")
        self._phase = ""
        self._busy = self._is_deaf = False
        self._timer = QTimer(self)
        self._timer.setInterval(_INTERVAL_MS)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(_PATIENCE_MS)
        self._patience.timeout.connect(self._offer_kill)
        self._lay_out()
        self._timer.timeout.connect(self._poll)
        self.runs.activated.connect(lambda index: self.show_run(Path(self.runs.itemData(index))))
        self.other.activated.connect(lambda _: self._show_other())
        self.stop_button.clicked.connect(self._stop)
        self.resume_button.clicked.connect(self.resume_asked)
        self.add_button.clicked.connect(self.add_asked)
        self.report_button.clicked.connect(self.report_asked)
        self.list_runs()

    @property
    def phase(self) -> str:
        """What the run on display is doing; empty without one."""
        return self.run.phase if self.run is not None else ""

    def list_runs(self) -> None:
        """Take over what runs there are, and turn to the latest if none is on display."""
        self._list()
        if self.run is None and self.runs.count():
            self.show_run(Path(self.runs.itemData(0)))
        self._refresh()

    def _list(self) -> None:
        self.runs.clear()
        found = runs.runs_in(self.folder)
        if self.run is not None and self.run.run not in found:
            found.insert(0, self.run.run)  # it has just begun and written nothing yet
        for run in found:
            self.runs.addItem(run.name, str(run))
        if self.run is not None:
            self.runs.setCurrentIndex(self.runs.findData(str(self.run.run)))
        self._list_others()

    def _list_others(self) -> None:
        """Offer every run but the one on display to compare with; the choice stays."""
        beside, shown = self.other.currentData(), self.runs.currentData()
        self.other.clear()
        self.other.addItem("Compare with …", "")
        for row in range(self.runs.count()):
            if self.runs.itemData(row) != shown:
                name = f"Compare with {self.runs.itemText(row)}"
                self.other.addItem(name, self.runs.itemData(row))
        self.other.setCurrentIndex(max(0, self.other.findData(beside)))
        self._show_other()

    def _show_other(self) -> None:
        """Draw the run that is chosen to compare with, as it is now."""
        chosen = self.other.currentData()
        if not chosen:
            self.curves.show_other([], [])
            return
        run = RunFollower(Path(chosen))
        run.poll()
        self.curves.show_other(run.losses, run.scores)
        if self.run is not None:
            steps = max(self.run.steps, run.steps)
            self.curves.show_points(self.run.losses, self.run.scores, steps)

    def show_run(self, run: Path, process: subprocess.Popen[bytes] | None = None) -> None:
        """Follow this run from its beginning; `process` where it was started just now."""
        self.run, self._phase = RunFollower(run, process), "new" if process else ""
        self._is_deaf = False
        self._patience.stop()
        self.curves.clear()
        self.picture.clear()
        self.runs.setCurrentIndex(self.runs.findData(str(run)))
        self._list_others()
        self._poll()
        self._timer.start()

    def set_busy(self, busy: bool) -> None:
        """Let nothing be asked for while another job of the dock runs."""
        self._busy = busy
        self._refresh()

    def _poll(self) -> None:
        if self.run is None:
            return
        if self.run.poll():
            self.curves.show_points(self.run.losses, self.run.scores, self.run.steps)
            self._show_picture()
        if self.runs.findData(str(self.run.run)) < 0:
            self._list()
        before, self._phase = self._phase, self.phase
        self._refresh()
        if self._phase not in runs.AT_WORK:
            self._timer.stop()
            if before in runs.AT_WORK:
                self.ended.emit(self._phase)

    def _refresh(self) -> None:
        run, phase = self.run, self.phase
        for part in (self.curves, self.bar, self.words):
            part.setVisible(run is not None)
        self.other.setVisible(self.runs.count() > 1)
        at_work = phase in runs.AT_WORK
        resumable = run is not None and run.can_resume
        self._refresh_stop()
        _enable(
            self.resume_button,
            resumable and phase != "finished",
            "It is still running." if at_work else "There is nothing to go on from.",
        )
        wait = "Wait for the end, or stop it." if at_work else "No run yet."
        if self._busy:
            wait = "Wait until the other job is done, or cancel it."
        for button in (self.add_button, self.report_button):
            _enable(button, resumable and not self._busy, wait)
        _enable(self.folder_button, run is not None, "No run yet.")
        if run is None:
            return
        # A bar without an end moves by itself: torch is loaded, the data are read.
        self.bar.setRange(0, 0 if phase == "new" else max(run.steps, 1))
        self.bar.setValue(run.step)
        self.words.setText(_sentence(run))

    def _show_picture(self) -> None:
        if self.run is None or self.run.preview is None:
            return
        pixmap = QPixmap(str(self.run.preview))
        if not pixmap.isNull():
            size = (max(self.width() - 30, 100), _PICTURE_HEIGHT)
            self.picture.setPixmap(
                pixmap.scaled(
                    *size,
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )
            self.picture.setToolTip("Validation cases: outlines of the reference and of the net")

    def _stop(self) -> None:
        if self.run is None:
            return
        run = self.run.run
        if self._can_kill():
            runs.kill(run)
            return
        runs.stop(run)
        self._patience.start()
        self._poll()

    def _offer_kill(self) -> None:
        self._is_deaf = True
        self._refresh_stop()

    def _can_kill(self) -> bool:
        return self._is_deaf and self.phase == "stopping"

    def _refresh_stop(self) -> None:
        """Stop what runs, and kill what was asked to stop and does not listen."""
        deaf = self._can_kill()
        self.stop_button.setText("Kill" if deaf else "Stop")
        reason = "No run yet." if self.run is None else "No training runs."
        _enable(self.stop_button, deaf or self.phase == "running", reason)
        if deaf:
            self.stop_button.setToolTip("It does not listen; the last checkpoint stays good")

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        for part in (self.runs, self.bar, self.words, self.curves, self.other, self.picture):
            column.addWidget(part)
        buttons = QGridLayout()
        for number, button in enumerate(
            (self.stop_button, self.resume_button, self.report_button, self.add_button)
        ):
            buttons.addWidget(button, number // 2, number % 2)
        buttons.addWidget(self.folder_button, 2, 0, 1, 2)
        column.addLayout(buttons)


def _sentence(run: RunFollower) -> str:
    advice = "; resume it" if run.phase == "lost" and run.can_resume else ""
    sentence = state_words(
        PHASES[run.phase] + advice,
        loss=run.losses[-1][1] if run.losses else None,
        dice=run.scores[-1][1] if run.scores else None,
        best=run.best,
        seconds_left=run.seconds_left if run.phase == "running" else None,
    )
    return f"{sentence}\n⚠ {run.message}" if run.message else sentence


def _enable(button: QPushButton, possible: bool, reason: str) -> None:
    tip = button.property("tip")
    button.setEnabled(possible)
    button.setToolTip(tip if possible else reason)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setProperty("tip", tip)
    button.setToolTip(tip)
    return button
