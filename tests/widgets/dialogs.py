"""Doing something with a dialog that waits for an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QWidget


def when_shown(kind: type[QWidget], act: Callable[[Any], None]) -> None:
    """Do something with a dialog as soon as it is on the screen."""

    def look() -> None:
        dialogs = [w for w in QApplication.topLevelWidgets() if isinstance(w, kind)]
        shown = [dialog for dialog in dialogs if dialog.isVisible()]
        if shown:
            act(shown[0])
        else:
            QTimer.singleShot(20, look)

    QTimer.singleShot(20, look)
