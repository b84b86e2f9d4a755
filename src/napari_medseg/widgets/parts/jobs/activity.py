"""A job's entry in napari's activity bar, which stays in sight when the dock is closed."""

from __future__ import annotations

import io
from typing import Any

from napari.utils import progress
from qtpy.QtCore import QObject, QTimer

from napari_medseg.engine.results import Progress

_INTERVAL_MS = 200


class Activity(QObject):
    """Shows progress in the activity bar a few times per second.

    napari lets Qt handle waiting events whenever its bar moves. Were that done while a signal of
    the job is handled, the next signals would overtake it; so the bar moves on a timer of its own.
    """

    def __init__(self, title: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._title = title
        self._bar: Any = None
        self._latest: Progress | None = None
        self._moving = False
        self._timer = QTimer(self)
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.timeout.connect(self._move)

    def show_progress(self, latest: Progress) -> None:
        """Take note of how far the job is."""
        self._latest = latest
        if not self._timer.isActive():
            self._timer.start()

    def finish(self) -> None:
        """Take the entry away."""
        self._latest = None
        self._timer.stop()
        if self._bar is not None and not self._moving:
            bar, self._bar = self._bar, None
            bar.close()

    def _move(self) -> None:
        latest = self._latest
        if latest is None or self._moving:
            return
        self._moving = True
        try:
            if self._bar is None:
                self._bar = progress(
                    total=max(latest.total, 1), desc=self._title, file=io.StringIO()
                )
            step = latest.done - self._bar.n
            if step > 0:
                self._bar.update(step)
        finally:
            self._moving = False
        if self._latest is None:
            self.finish()
