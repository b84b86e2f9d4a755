"""How far the running job is: a bar, words, numbers and the time left."""

from __future__ import annotations

import time

from qtpy.QtWidgets import QLabel, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from napari_medseg.engine.results import Progress
from napari_medseg.widgets.parts.job_button import JobButton


class JobProgress(QWidget):
    """Follows the jobs of several buttons; hidden while none runs."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.bar = QProgressBar()
        self.words = QLabel()
        self.words.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.bar)
        layout.addWidget(self.words)
        self._started = 0.0
        self.hide()

    def follow(self, button: JobButton) -> None:
        """Show the jobs of this button too."""
        button.started.connect(lambda: self._start(button.title))
        button.progressed.connect(self._advance)
        button.ended.connect(self.hide)

    def _start(self, title: str) -> None:
        self._started = time.monotonic()
        self.bar.setRange(0, 0)
        self.words.setText(f"{title}…")
        self.show()

    def _advance(self, progress: Progress) -> None:
        self.bar.setRange(0, max(progress.total, 1))
        self.bar.setValue(progress.done)
        parts = [progress.message or self.words.text()]
        left = self._seconds_left(progress)
        if left is not None:
            parts.append(f"about {_duration(left)} left")
        self.words.setText(" · ".join(parts))

    def _seconds_left(self, progress: Progress) -> float | None:
        spent = time.monotonic() - self._started
        if progress.done < 2 or progress.done >= progress.total or spent < 2:
            return None
        return spent / progress.done * (progress.total - progress.done)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
