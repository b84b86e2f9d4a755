"""One job at a time: the buttons of a window that compute exclude each other."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QDockWidget, QWidget

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_medseg.widgets.parts.jobs.button import JobButton

_gates: dict[int, JobGate] = {}


class JobGate(QObject):
    """Lets one job through at a time; buttons that share a gate exclude each other."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.holder: JobButton | None = None

    @classmethod
    def of(cls, viewer: Viewer) -> JobGate:
        """Give the gate that all docks of a window share.

        Two nets at once would take twice the memory that was forecast, and the processor from each
        other and from the window.

        Parameters
        ----------
        viewer : napari viewer
            Its own, not the proxy that plugins get.
        """
        key = id(viewer)
        if key not in _gates:
            _gates[key] = cls()
            weakref.finalize(viewer, _gates.pop, key, None)
        return _gates[key]

    def take(self, button: JobButton) -> bool:
        """Claim the gate; False if somebody else has it."""
        if self.holder is not None:
            return False
        self.holder = button
        self.changed.emit()
        return True

    def leave(self, button: JobButton) -> None:
        """Let the next one in."""
        if self.holder is button:
            self.holder = None
            self.changed.emit()

    def why_closed(self, button: JobButton) -> str:
        """Say what a button has to wait for; empty if its job can start."""
        holder = self.holder
        if holder is None or holder is button:
            return ""
        dock = _dock_of(holder)
        if dock is None or dock is _dock_of(button):
            return f"Wait until “{holder.title}” is done, or cancel it."
        name = title_of(dock)
        return f"Wait until “{holder.title}” in the dock {name} is done, or cancel it there."


def title_of(dock: QDockWidget) -> str:
    """Give a dock's title without the plugin's name, also where its tab says less."""
    return dock.widget().windowTitle() or dock.windowTitle().partition(" (")[0]


def _dock_of(button: JobButton) -> QDockWidget | None:
    widget: QWidget | None = button
    while widget is not None and not isinstance(widget, QDockWidget):
        widget = widget.parentWidget()
    return widget
