"""The one bridge from an engine's job to a dock.

A button starts a job in a worker thread and becomes its Cancel. The job is made when the button is
pressed, from a snapshot of what is open then, so that nothing the user does meanwhile can reach it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QTimer, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_medseg.engine.devices import limit_threads
from napari_medseg.engine.results import Progress
from napari_medseg.session.settings import settings
from napari_medseg.widgets.parts.farewell import Farewell
from napari_medseg.widgets.parts.jobs.activity import Activity
from napari_medseg.widgets.parts.jobs.gate import JobGate

AnyJob = Generator[Progress, None, Any]

_log = logging.getLogger(__name__)


BETWEEN_STEPS = 0.05
"""Seconds between two steps that are told at once, unless they bring something to show."""
LONGEST_WAIT = 0.5
"""Seconds that a job waits for the window to show what it brought."""


class _Run:
    """A job on its way through a worker thread.

    Qt handles all steps that have come before it draws or takes a click. Where they come faster
    than the window handles them, as on a busy computer, it would do nothing else until the job
    ends; so no step is sent before the one before it was handled. What brings something to show
    waits for that; mere words are held, and the latest of them are fetched by the button.
    """

    def __init__(self, job: AnyJob) -> None:
        self.job = job
        self.cancel = threading.Event()
        self.handled = threading.Event()
        self.handled.set()
        self.held: Progress | None = None
        self._sent = -BETWEEN_STEPS
        self.result: Any = None
        self.error: Exception | None = None
        self.completed = False

    def drive(self) -> Generator[Progress, None, None]:
        """Advance the job until it ends, fails or is cancelled; nothing escapes from here."""
        try:
            # In this thread, as torch keeps the number for each of them.
            limit_threads(settings().threads)
            while not self.cancel.is_set():
                step = next(self.job)
                is_due = self._is_due(step)
                self.held = None if is_due else step
                if is_due:
                    yield step
        except StopIteration as end:
            self.result = end.value
            self.completed = True
        except Exception as error:
            self.error = error
        finally:
            self.job.close()

    def stop(self) -> None:
        """Ask the job to stop at its next step."""
        self.cancel.set()
        self.handled.set()

    def fetch(self) -> Progress | None:
        """Give the latest words that were held, once."""
        step, self.held = self.held, None
        return step

    def _is_due(self, step: Progress) -> bool:
        if step.preview is not None:
            self.handled.wait(LONGEST_WAIT)
        elif not self.handled.is_set() or time.monotonic() - self._sent < BETWEEN_STEPS:
            return False
        self.handled.clear()
        self._sent = time.monotonic()
        return True


class _Held:
    """What remains of a button that is destroyed while its job runs."""

    def __init__(self, button: JobButton, gate: JobGate) -> None:
        self.run: _Run | None = None
        self._button, self._gate = button, gate

    def let_go(self) -> None:
        if self.run is not None:
            self.run.stop()
            self._gate.leave(self._button)


class JobButton(QPushButton):
    """A button that runs a job, and cancels it when it is pressed again.

    Parameters
    ----------
    text : str
        What it does, in the user's words.
    make_job : callable
        Called when the button is pressed, on the GUI thread. Takes a snapshot and gives the job,
        which does its work, imports included, only when it is advanced. Gives None if the user
        changed her mind, and raises ValueError with a sentence if there is nothing to run.
    gate : JobGate, optional
        Shared with the buttons that must not run at the same time.
    """

    started = Signal()
    progressed = Signal(object)
    """A `Progress` came."""
    succeeded = Signal(object)
    """The job ended; with its result."""
    cancelled = Signal()
    failed = Signal(str)
    """The job failed; with one sentence for the user."""
    ended = Signal()
    """However it went, it is over."""

    def __init__(
        self,
        text: str,
        make_job: Callable[[], AnyJob | None],
        gate: JobGate | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(text, parent)
        self._idle_text = text
        self._idle_tip = ""
        self._reason = ""
        self._make_job = make_job
        self._gate = gate or JobGate(self)
        self._run: _Run | None = None
        self._activity = Activity(text, self)
        self._timer = QTimer(self)
        self._timer.setInterval(round(1000 * BETWEEN_STEPS))
        self._timer.timeout.connect(self._on_timer)
        self.clicked.connect(self._on_clicked)
        self._gate.changed.connect(self._refresh)
        self._held = _Held(self, self._gate)
        self._farewell = Farewell(self, self._held.let_go)

    @property
    def is_running(self) -> bool:
        """Whether its job runs, or is being cancelled."""
        return self._run is not None

    @property
    def title(self) -> str:
        """What the button does, without its shortcut."""
        return self._idle_text.partition("  ")[0]

    def set_idle(self, text: str, tip: str) -> None:
        """Set what it shows while nothing runs."""
        self._idle_text, self._idle_tip = text, tip
        self._refresh()

    def set_missing(self, reason: str) -> None:
        """Disable it and say in the tooltip what is missing; an empty reason enables it."""
        self._reason = reason
        self._refresh()

    def start(self) -> None:
        """Run the job; where it cannot start now, as by a key, say why."""
        if self._run is not None:
            return
        reason = self._gate.why_closed(self) or self._reason
        if reason:
            self.failed.emit(reason)
            return
        self._gate.take(self)
        try:
            job = self._make_job()
        except ValueError as error:
            self._gate.leave(self)
            self.failed.emit(str(error))
            return
        if job is None:
            self._gate.leave(self)
            return
        self._run = self._held.run = _Run(job)
        worker = create_worker(_named(self._run.drive, self.title))
        worker.yielded.connect(self._on_progress)
        worker.finished.connect(self._on_finished)
        self.started.emit()
        self._refresh()
        self._timer.start()
        worker.start()

    def cancel(self) -> None:
        """Ask the job to stop at its next step; what it has shown so far stays."""
        if self._run is not None and not self._run.cancel.is_set():
            self._run.stop()
            self._refresh()

    def _on_clicked(self) -> None:
        if self._run is None:
            self.start()
        else:
            self.cancel()

    def _on_progress(self, progress: Progress) -> None:
        run = self._run
        if run is None:
            return
        self._tell(progress)
        run.handled.set()

    def _on_timer(self) -> None:
        words = None if self._run is None else self._run.fetch()
        if words is not None:
            self._tell(words)

    def _tell(self, progress: Progress) -> None:
        self._activity.show_progress(progress)
        self.progressed.emit(progress)

    def _on_finished(self) -> None:
        run = self._run
        if run is None:
            return
        if run.completed:
            self._on_timer()
        self._timer.stop()
        self._run = self._held.run = None
        self._activity.finish()
        self._gate.leave(self)
        self._refresh()
        if run.error is not None:
            log_failure(_log, self.title, run.error)
            self.failed.emit(sentence_for(run.error))
        elif run.completed:
            self.succeeded.emit(run.result)
        else:
            self.cancelled.emit()
        self.ended.emit()

    def _refresh(self) -> None:
        if self._run is not None:
            stopping = self._run.cancel.is_set()
            self.setText("Cancelling…" if stopping else "Cancel")
            self.setToolTip("" if stopping else f"Stop: {self.title}")
            self.setEnabled(not stopping)
            return
        self.setText(self._idle_text)
        reason = self._gate.why_closed(self) or self._reason
        self.setToolTip(reason or self._idle_tip)
        self.setEnabled(not reason)


def log_failure(log: logging.Logger, title: str, error: BaseException) -> None:
    """Log how it came that something failed: loudly where it may be a fault of the program.

    What is refused for a reason that the user is told is no such fault. Our refusals are sentences
    and end with a full stop, unlike most of what other libraries raise.
    """
    refused = isinstance(error, (ValueError, OSError)) and str(error).endswith((".", "?"))
    log.log(logging.INFO if refused else logging.ERROR, "%s failed", title, exc_info=error)


def sentence_for(error: BaseException) -> str:
    """Say in one sentence for the user what went wrong and what to do."""
    if isinstance(error, MemoryError):
        return "There is not enough memory for this: close other programs or use a smaller image."
    if isinstance(error, (ValueError, OSError)) and str(error):
        return str(error)
    return f"Something went wrong ({type(error).__name__}): {error}. The log has the details."


def _named(drive: Callable[[], Generator[Progress, None, None]], title: str) -> Callable[..., Any]:
    # napari names what is running after the function when it asks before closing the window.
    def run() -> Generator[Progress, None, None]:
        yield from drive()

    run.__name__ = run.__qualname__ = title
    return run
