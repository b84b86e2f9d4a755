"""A dock behind a tab comes to the front when it is chosen in a menu."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtWidgets import QDockWidget


class ToFront(QObject):
    """Brings a dock to the front where it was hidden or shown by name.

    napari's menu hides a dock that is open and shows one that is not. A dock behind a tab counts
    as open: chosen in the menu it would be gone, and chosen once more it would be behind its tab
    again. Whoever chooses a dock that is out of sight wants to see it.

    Parameters
    ----------
    dock : QDockWidget
        The dock to follow; this object ends with it.
    """

    def __init__(self, dock: QDockWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._is_in_front = True
        self._is_hidden = False
        # Once the menu is done with the dock.
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._bring)
        dock.visibilityChanged.connect(self._note)
        dock.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the dock being hidden and shown by name, not along with its window."""
        if event.type() == QEvent.Type.Hide:
            self._timer.stop()
            self._is_hidden = self._dock.isHidden()
            if self._is_hidden and not self._is_in_front:
                self._timer.start(0)
        elif event.type() == QEvent.Type.Show and self._is_hidden:
            self._is_hidden = False
            self._timer.start(0)
        return super().eventFilter(watched, event)

    def _note(self, is_in_front: bool) -> None:
        self._is_in_front = is_in_front

    def _bring(self) -> None:
        # A dock that is taken away is hidden, too.
        if self._dock.widget() is None or not self._dock.window().isVisible():
            return
        self._is_hidden = False
        self._dock.show()
        self._dock.raise_()
