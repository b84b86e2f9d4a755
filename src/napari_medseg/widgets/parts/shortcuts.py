"""Keys of a dock: they work in the dock and on the canvas, and nowhere else."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_medseg.widgets.parts.jobs.button import JobButton

_rivals: dict[int, list[Shortcuts]] = {}
"""The docks of each viewer that are in front and have keys, the last to come there at the end."""


class Shortcuts:
    """Binds keys to actions while they are on, and leaves no trace when they are off.

    Inside the dock a key is a Qt shortcut of that widget alone; on the canvas it is bound to the
    viewer, after the active layer's own keys. There it belongs to the dock that came to the front
    last. A key that anything but our docks bound stays theirs.

    Parameters
    ----------
    viewer : napari viewer
        Whose canvas it is.
    dock : QWidget
        The dock; its children are included.
    """

    def __init__(self, viewer: Viewer, dock: QWidget) -> None:
        self._viewer = viewer
        self._dock = dock
        self._actions: dict[str, Callable[[], Any]] = {}
        self._bound: list[str] = []
        self._is_on, self._is_in_front = False, True
        self._qt: list[QShortcut] = []
        self._buttons: list[tuple[JobButton, str, str]] = []

    def add_job(self, button: JobButton, keys: str, tip: str) -> None:
        """Give a key combination the job of a button, which shows the keys while they are on."""
        self._buttons.append((button, keys, tip))
        self.add(keys, button.start)

    def add(self, keys: str, action: Callable[[], Any]) -> None:
        """Give a key combination such as ``"Ctrl+Shift+E"`` an action."""
        self._actions[keys] = action

    def set_on(self, on: bool) -> None:
        """Bind all keys and write them on the buttons, or the opposite."""
        for button, keys, tip in self._buttons:
            text = button.title
            button.set_idle(f"{text}  ({native(keys)})" if on else text, tip)
        if on:
            self.turn_on()
        else:
            self.turn_off()

    def turn_on(self) -> None:
        """Bind all keys."""
        self.turn_off()
        for keys, action in self._actions.items():
            for variant in {keys, keys.replace("Enter", "Return")}:
                shortcut = QShortcut(QKeySequence(variant), self._dock)
                shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
                shortcut.activated.connect(action)
                self._qt.append(shortcut)
        self._is_on = True
        self._settle()

    def turn_off(self) -> None:
        """Give all keys back."""
        for shortcut in self._qt:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._qt = []
        self._is_on = False
        self._settle()

    def set_in_front(self, in_front: bool) -> None:
        """Take the canvas's keys, or leave them to the dock that had them before.

        Safe when the dock's widgets are gone already.
        """
        self._is_in_front = in_front
        self._settle()

    def _settle(self) -> None:
        """Let the dock that came to the front last have the canvas's keys."""
        key = id(self._viewer)
        if key not in _rivals:
            _rivals[key] = []
            weakref.finalize(self._viewer, _rivals.pop, key, None)
        rivals = _rivals[key]
        for rival in rivals:
            rival._release()
        if self in rivals:
            rivals.remove(self)
        if self._is_on and self._is_in_front:
            rivals.append(self)
        if rivals:
            rivals[-1]._bind()

    def _bind(self) -> None:
        for keys, action in self._actions.items():
            try:
                self._viewer.bind_key(keys, lambda viewer, action=action: action())
            except ValueError:
                continue
            self._bound.append(keys)

    def _release(self) -> None:
        for keys in self._bound:
            self._viewer.bind_key(keys, None)
        self._bound = []


def native(keys: str) -> str:
    """Give a key combination as this system writes it."""
    return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)
