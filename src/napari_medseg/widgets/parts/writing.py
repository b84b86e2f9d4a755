"""Large writes into labels, a few milliseconds at a time, so that the window goes on answering."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator

from qtpy.QtCore import QEvent, QObject, QTimer, Signal
from qtpy.QtWidgets import QApplication, QWidget

from napari_medseg.engine.results import Progress
from napari_medseg.widgets.parts.farewell import Farewell
from napari_medseg.widgets.parts.jobs.button import log_failure, sentence_for

_log = logging.getLogger(__name__)

WriteJob = Generator[Progress, None, int]

AT_ONCE = 10
"""Steps that a write takes at once, some 80 ms at most; only a longer one is spread over turns."""
PER_TURN = 0.02
"""Seconds that a longer write takes of every turn of the event loop."""

_CHANGES_THINGS = {
    QEvent.Type.MouseButtonPress,
    QEvent.Type.MouseButtonDblClick,
    QEvent.Type.KeyPress,
    QEvent.Type.Shortcut,
    QEvent.Type.Drop,
}


class Writing(QObject):
    """Drives write jobs on the GUI thread, where napari's layers live.

    A short write is over when `run` returns. During a longer one the user can scroll, zoom and
    cancel; clicks and keys that could change something do nothing.

    Parameters
    ----------
    dock : QWidget
        Where it belongs.
    usable : QWidget
        What can be clicked meanwhile: the part with the Cancel button.
    """

    started = Signal()
    progressed = Signal(object)
    ended = Signal()

    title = "Writing into your labels"

    def __init__(self, dock: QWidget, usable: QWidget) -> None:
        super().__init__(dock)
        self._usable = usable
        self._job: WriteJob | None = None
        self._done: Callable[[int], object] = lambda changed: None
        self._failed: Callable[[str], object] = lambda sentence: None
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._turn)
        self._farewell = Farewell(dock, self._let_go)

    @property
    def is_running(self) -> bool:
        """Whether a write is on its way."""
        return self._job is not None

    def run(
        self,
        job: WriteJob,
        done: Callable[[int], object],
        failed: Callable[[str], object],
    ) -> None:
        """Write; `done` gets how many voxels changed, `failed` a sentence."""
        if self._job is not None:
            return
        self._job, self._done, self._failed = job, done, failed
        for _ in range(AT_ONCE):
            self._step()
        if self._job is not None:
            self.started.emit()
            QApplication.instance().installEventFilter(self)
            self._timer.start(0)

    def cancel(self) -> None:
        """Stop, and take back what is written so far."""
        if self._job is None:
            return
        self._job.close()
        failed = self._failed
        self._end()
        failed("Cancelled: your labels are as they were.")

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let nothing through that could change something while a write is on its way."""
        if event.type() not in _CHANGES_THINGS:
            return False
        if event.type() == QEvent.Type.Shortcut:
            return True
        if not isinstance(watched, QWidget):
            return False
        return watched is not self._usable and not self._usable.isAncestorOf(watched)

    def _turn(self) -> None:
        until = time.perf_counter() + PER_TURN
        progress = None
        while self._job is not None and time.perf_counter() < until:
            progress = self._step()
        if progress is not None:
            self.progressed.emit(progress)

    def _step(self) -> Progress | None:
        """Advance the write by one step; None at its end."""
        if self._job is None:
            return None
        try:
            return next(self._job)
        except StopIteration as end:
            done, changed = self._done, int(end.value)
            self._end()
            done(changed)
        except Exception as error:
            # Whatever it is, the window must not stay locked.
            log_failure(_log, self.title, error)
            failed = self._failed
            self._end()
            failed(sentence_for(error))
        return None

    def _end(self) -> None:
        self._job = None
        if self._timer.isActive():
            self._timer.stop()
            QApplication.instance().removeEventFilter(self)
            self.ended.emit()

    def _let_go(self) -> None:
        """End when the dock ends; its timer and filter go with it."""
        if self._job is not None:
            self._job.close()
            self._job = None
