"""The dock Measure and compare: how big it is, and how good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QTabWidget

from napari_medseg.widgets.parts.dock import Dock
from napari_medseg.widgets.parts.measure.compare_tab import CompareTab
from napari_medseg.widgets.parts.measure.measure_tab import MeasureTab

if TYPE_CHECKING:
    import napari.viewer


class MeasureAndCompare(Dock):
    """The dock: a tab that measures, a tab that compares, each with what it has to say.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it works in.
    """

    tab = "Measure"

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.measure = MeasureTab(self.viewer, self.gate)
        self.compare = CompareTab(self.viewer, self.gate)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.measure, "Measure")
        self.tabs.addTab(self.compare, "Compare")
        self.put(self.tabs, in_sight=(self.measure.message, self.compare.message), tall=self.tabs)
        for tab in (self.measure, self.compare):
            for button in tab.buttons:
                self.progress.follow(button)
        self.tabs.currentChanged.connect(self._on_tab)
        self._on_tab()

    def _on_tab(self) -> None:
        """Show what the tab in front has said last."""
        for tab in (self.measure, self.compare):
            tab.message.setVisible(tab is self.tabs.currentWidget())
        self.message = self.tabs.currentWidget().message

    def let_go(self) -> None:
        """Leave nothing of the dock behind in the viewer; its own widgets may be gone already."""
        self.measure.close_links()
        self.compare.close_links()
