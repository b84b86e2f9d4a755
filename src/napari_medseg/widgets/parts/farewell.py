"""What a widget still has to do when it is destroyed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QWidget


class Farewell:
    """Calls an action once, at the latest when a widget is destroyed.

    The action must not touch the widget's own Qt side, which is gone by then. It is a method of
    this object that is connected, not a function made for the purpose: Python's garbage collector
    may take such a function apart before the signal calls it, which ends the whole program; of a
    method Qt notices that its object is gone. So the widget has to keep this object.

    Parameters
    ----------
    widget : QWidget
        Whose end is waited for.
    action : callable
        What to do.
    """

    def __init__(self, widget: QWidget, action: Callable[[], Any]) -> None:
        self._action: Callable[[], Any] | None = action
        widget.destroyed.connect(self.say)

    def say(self, *_: object) -> None:
        """Do it, unless it was done before."""
        action, self._action = self._action, None
        if action is not None:
            action()
