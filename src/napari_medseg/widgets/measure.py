"""The dock Measure and compare: how big it is, and how good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QTabWidget, QVBoxLayout, QWidget

from napari_medseg.widgets.parts.compare_tab import CompareTab
from napari_medseg.widgets.parts.farewell import Farewell
from napari_medseg.widgets.parts.job_progress import JobProgress
from napari_medseg.widgets.parts.measure_tab import MeasureTab
from napari_medseg.widgets.parts.messages import Message

if TYPE_CHECKING:
    import napari.viewer


class MeasureAndCompare(QWidget):
    """The dock: a tab that measures, a tab that compares.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        # A plugin gets a proxy that wraps layers anew at every access; they must stay themselves.
        self.viewer: napari.viewer.Viewer = getattr(viewer, "__wrapped__", viewer)
        self.message = Message()
        self.progress = JobProgress()
        self.measure = MeasureTab(self.viewer, self.message)
        self.compare = CompareTab(self.viewer, self.message)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.measure, "Measure")
        self.tabs.addTab(self.compare, "Compare")
        self._farewell = Farewell(self, self._let_go)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(2, 8, 4, 4)
        for part in (self.tabs, self.progress, self.message):
            outer.addWidget(part)
        self.progress.follow(self.measure.number)
        for tab in (self.measure, self.compare):
            for button in (tab.run, tab.actions.save):
                self.progress.follow(button)
            tab.run.started.connect(lambda: self.message.hint(""))

    def event(self, event: QEvent) -> bool:
        """Leave the viewer as it was when the dock is closed."""
        if event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self._farewell.say()
        return super().event(event)

    def _let_go(self) -> None:
        """Leave nothing of the dock behind in the viewer; its own widgets may be gone already."""
        self.measure.close_links()
        self.compare.close_links()
