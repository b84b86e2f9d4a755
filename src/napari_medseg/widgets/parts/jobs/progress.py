"""How far the running job is: a bar, words, numbers and the time left."""

from __future__ import annotations

import time
from collections import deque

from qtpy.QtWidgets import QGridLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from napari_medseg.engine.results import Progress, duration
from napari_medseg.widgets.parts.jobs.button import JobButton
from napari_medseg.widgets.parts.writing import Writing

_SPEED_OF = 20.0
"""The time left follows from the speed of the last so many seconds, or of the last step."""
_TOO_EARLY = 5.0
"""Seconds before which a job's speed says nothing yet."""


class JobProgress(QWidget):
    """Follows the jobs of several buttons and cancels them; hidden while none runs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = QProgressBar()
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("Stop; what is done stays")
        self.cancel_button.clicked.connect(self._cancel)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.bar, 0, 0)
        layout.addWidget(self.cancel_button, 0, 1)
        layout.addWidget(self.words, 1, 0, 1, 2)
        layout.setColumnStretch(0, 1)
        self._buttons: list[JobButton | Writing] = []
        self._marks: deque[tuple[float, int]] = deque()
        self.hide()

    def follow(self, button: JobButton | Writing) -> None:
        """Show the jobs of this button, or these writes, too."""
        self._buttons.append(button)
        button.started.connect(lambda: self._start(button.title))
        button.progressed.connect(self._advance)
        button.ended.connect(self._end)

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self.cancel_button.setText("Cancelling…")
        for button in self._buttons:
            button.cancel()

    def _end(self) -> None:
        self.setVisible(any(button.is_running for button in self._buttons))

    def _start(self, title: str) -> None:
        self._marks.clear()
        self.cancel_button.setEnabled(True)
        self.cancel_button.setText("Cancel")
        self.bar.setRange(0, 0)
        self.words.setText(f"{title}…")
        self._offer_cancel()
        self.show()

    def _offer_cancel(self) -> None:
        """Offer Cancel here only while the button that has become Cancel is out of sight."""
        running = [button for button in self._buttons if button.is_running]
        self.cancel_button.setVisible(not all(_in_sight(button) for button in running))

    def _advance(self, progress: Progress) -> None:
        self._offer_cancel()
        # Before the first step is done nobody knows how long it takes.
        self.bar.setRange(0, max(progress.total, 1) if progress.done else 0)
        self.bar.setFormat("%v of %m" if progress.total > 1 else "%p %")
        self.bar.setValue(progress.done)
        parts = [progress.message or self.words.text()]
        left = self._seconds_left(progress)
        if left is not None:
            parts.append(f"about {duration(left)} left")
        self.words.setText(" · ".join(parts))

    def _seconds_left(self, progress: Progress) -> float | None:
        """Reckon from the speed of late: jobs slow down, and the first step loads the model."""
        if not 0 < progress.done < progress.total:
            return None
        now, marks = time.monotonic(), self._marks
        if marks and progress.done < marks[-1][1]:
            marks.clear()
        if not marks or progress.done > marks[-1][1]:
            marks.append((now, progress.done))
        while len(marks) > 2 and now - marks[1][0] >= _SPEED_OF:
            marks.popleft()
        since, first = marks[0]
        if len(marks) < 2 or now - since < _TOO_EARLY:
            return None
        return (now - since) / (progress.done - first) * (progress.total - progress.done)


def _in_sight(button: JobButton | Writing) -> bool:
    return (
        isinstance(button, QWidget) and button.isVisible() and not button.visibleRegion().isEmpty()
    )
