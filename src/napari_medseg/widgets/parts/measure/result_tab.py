"""What the tabs of Measure and compare have in common: layers, jobs, a table, and a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from napari_medseg.widgets.parts.jobs.button import JobButton
from napari_medseg.widgets.parts.layer_picker import LayerPicker
from napari_medseg.widgets.parts.measure.result_table import ResultTable
from napari_medseg.widgets.parts.measure.table_actions import TableActions
from napari_medseg.widgets.parts.messages import Message

if TYPE_CHECKING:
    from napari.viewer import Viewer

_CHANGES = ("inserted", "removed")


class ResultTab(QWidget):
    """A tab whose jobs work on layers and fill a table.

    Parameters
    ----------
    viewer : napari viewer
        Whose layers they are.
    file_name : str
        What the file of the table is called unless the user says otherwise.
    """

    def __init__(self, viewer: Viewer, file_name: str) -> None:
        super().__init__()
        self._viewer = viewer
        self._jobs: tuple[JobButton, ...] = ()
        self._pickers: tuple[LayerPicker, ...] = ()
        self.message = Message()
        self.table = ResultTable()
        self.actions = TableActions(self.table, file_name, self.message)

    @property
    def buttons(self) -> tuple[JobButton, ...]:
        """All that run jobs."""
        return *self._jobs, self.actions.save

    def link(self, jobs: tuple[JobButton, ...], pickers: tuple[LayerPicker, ...]) -> None:
        """Say how the jobs go, and follow the layers that come and go."""
        self._jobs, self._pickers = jobs, pickers
        for job in jobs:
            job.started.connect(lambda: self.message.hint(""))
            job.failed.connect(self.message.problem)
            job.cancelled.connect(lambda: self.message.hint("Cancelled: nothing has changed."))
        for change in _CHANGES:
            getattr(self._viewer.layers.events, change).connect(self._on_layers)

    def close_links(self) -> None:
        """Stop following layers, and what runs."""
        for change in _CHANGES:
            getattr(self._viewer.layers.events, change).disconnect(self._on_layers)
        for picker in self._pickers:
            picker.disconnect_layers()
        for job in self._jobs:
            job.cancel()

    def _on_layers(self, event: Any) -> None:
        """Take over that a layer came or went."""
        raise NotImplementedError
