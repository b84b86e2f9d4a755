"""What all docks have in common: how they begin, how they are laid out, and how they end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QAbstractButton,
    QDockWidget,
    QLabel,
    QMainWindow,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from napari_medseg.widgets.parts.arrange import Part, fill
from napari_medseg.widgets.parts.canvas_guard import guard_canvas
from napari_medseg.widgets.parts.farewell import Farewell
from napari_medseg.widgets.parts.jobs.button import JobButton
from napari_medseg.widgets.parts.jobs.gate import JobGate, title_of
from napari_medseg.widgets.parts.jobs.progress import JobProgress
from napari_medseg.widgets.parts.keeper.label_keeper import LabelKeeper
from napari_medseg.widgets.parts.messages import Message
from napari_medseg.widgets.parts.preferences import link_preferences
from napari_medseg.widgets.parts.to_front import ToFront
from napari_medseg.widgets.parts.vertical_scroll import VerticalScrollArea

if TYPE_CHECKING:
    import napari.viewer

_UNDER_THE_TITLE = 8
"""Pixels at the top of a dock that napari's title bar covers: it is taller than it says."""


class Dock(QWidget):
    """A dock: its parts scroll, its progress and messages stay in sight below them.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.

    Attributes
    ----------
    tab : str
        What its tab says, where its title has no room beside those of other docks.
    """

    tab: ClassVar[str]

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        # A plugin gets a proxy that wraps layers anew at every access; they must stay themselves.
        self.viewer: napari.viewer.Viewer = getattr(viewer, "__wrapped__", viewer)
        self.message = Message()
        self.progress = JobProgress()
        self._is_placed = False
        self._farewell = Farewell(self, self.let_go)
        link_preferences()
        guard_canvas(self.viewer)
        LabelKeeper.of(self.viewer)

    @property
    def gate(self) -> JobGate:
        """Passed by whatever computes in this window, one at a time."""
        return JobGate.of(self.viewer)

    def put(
        self, *parts: Part, in_sight: tuple[QWidget, ...] = (), tall: QWidget | None = None
    ) -> VerticalScrollArea:
        """Lay the dock out.

        Parameters
        ----------
        *parts : QWidget or QLayout
            From top to bottom, in the order in which they are used.
        in_sight : tuple of QWidget
            What does not scroll away on a small screen.
        tall : QWidget, optional
            The part that takes the height that is left; otherwise it stays empty.
        """
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(4, 4, 4, 4)
        fill(column, *parts)
        if tall is None:
            column.addStretch()
        else:
            column.setStretchFactor(tall, 1)
        scroll = VerticalScrollArea(inside)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2, _UNDER_THE_TITLE, 4, 4)
        fill(outer, scroll, *in_sight, self.progress, self.message)
        for button in self.findChildren(QAbstractButton):
            button.clicked.connect(partial(_give_keys_back, button))
        return scroll

    def follow(self, *buttons: JobButton) -> None:
        """Show the progress of jobs, and say where one fails."""
        for button in buttons:
            self.progress.follow(button)
            button.failed.connect(self.message.problem)

    def let_go(self) -> None:
        """Leave nothing of the dock behind in the viewer; its own widgets may be gone already."""

    def event(self, event: QEvent) -> bool:
        """Let go when the dock is closed."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._farewell.say()
        return super().event(event)

    def showEvent(self, event: QShowEvent) -> None:
        """Come as a tab of the docks that are open, as stacked they would be too small to use."""
        super().showEvent(event)
        if not self._is_placed:
            self._is_placed = True
            mine, window = self.parentWidget(), self.window()
            if isinstance(mine, QDockWidget) and isinstance(window, QMainWindow):
                self._name(mine)
                self._join_tabs(mine, window)
                ToFront(mine)
                mine.visibilityChanged.connect(self.note_in_front)

    def note_in_front(self, is_in_front: bool) -> None:
        """Take note of being seen, or of lying behind a tab or being closed."""

    def _name(self, mine: QDockWidget) -> None:
        """Take the plugin's name off the title, and leave the tab a word or two of it."""
        full, bar, title = mine.windowTitle(), mine.titleBarWidget(), title_of(mine)
        self.setWindowTitle(title)
        mine.setWindowTitle(self.tab)
        for label in bar.findChildren(QLabel) if bar is not None else ():
            if label.text() == full:
                label.setText(title)

    @staticmethod
    def _join_tabs(mine: QDockWidget, window: QMainWindow) -> None:
        area = window.dockWidgetArea(mine)
        for other in window.findChildren(QDockWidget):
            is_ours = other is not mine and isinstance(other.widget(), Dock)
            if is_ours and window.dockWidgetArea(other) == area and other.isVisible():
                window.tabifyDockWidget(other, mine)
                mine.raise_()
                _keep_names_whole(window)
                return


def _keep_names_whole(window: QMainWindow) -> None:
    """Let tabs for which there is no room be scrolled to, instead of cutting all their names."""
    of_docks = Qt.FindChildOption.FindDirectChildrenOnly
    for tabs in window.findChildren(QTabBar, options=of_docks):
        tabs.setElideMode(Qt.TextElideMode.ElideNone)
        tabs.setUsesScrollButtons(True)


def _give_keys_back(button: QAbstractButton, checked: bool = False) -> None:
    """After a click let the arrow keys turn the planes again, not go from button to button.

    Keys that no widget wants are the canvas's in napari. Who came by the keyboard stays there.
    """
    if button.underMouse():
        button.clearFocus()
